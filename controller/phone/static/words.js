// The page's words, Chinese and English.
export const WORDS = {
  title: ["通行码", "Gate pass"],
  other: ["English", "中文"],
  green: ["绿码", "GREEN"],
  blue: ["蓝码", "BLUE"],
  get: ["在此手机上领取", "Get the pass on this phone"],
  getWhy: ["链接只能领取一次，领取后只能在这部手机上使用。", "The link works once, and the pass on this phone only."],
  working: ["正在领取…", "Getting your pass…"],
  renews: ["自动更新，截图无效", "Renews by itself. Screenshots do not work"],
  until: ["有效期至", "Valid until"],
  offline: ["离线中，仍可使用", "Offline. The pass still works"],
  doubt: ["手机时间被改动，请联网一次再出示", "The phone's clock was changed. Go online once before you show this"],
  soft: ["软密钥", "SOFT KEY"],
  once: ["限进一次", "ONE ENTRY"],
  hours: ["进入时间", "Entry hours"],
  memory: ["进门前请不要关闭此页面", "Keep this page open until you are inside"],
  expired: ["通行码已过期", "This pass has expired"],
  expiredNext: ["请向邀请您的人要新的链接。", "Ask your host for a new link."],
  empty: ["此手机上没有通行码", "No pass on this phone"],
  emptyNext: ["请打开短信或消息中的链接。", "Open the link in the message you were sent."],
  noNet: ["无法连接", "Cannot connect"],
  noNetNext: ["请检查网络后重试。链接仍然有效。", "Check the network and try again. The link is still good."],
  again: ["重试", "Try again"],
  refused: ["无法领取", "No pass"],
  weak: ["此浏览器不能安全保存密钥", "This browser cannot keep a key safely"],
  weakNext: [
    "可能是无痕模式，最好换普通模式打开链接。也可以继续：有效期不超过12小时，限进一次，并显示“软密钥”。",
    "Perhaps a private window: better open the link in a normal one. Or go on: the pass lasts 12 hours at most, lets you in once, and is marked as soft.",
  ],
  goOn: ["仍然继续", "Go on anyway"],
  none: ["此浏览器不能生成通行码", "This browser cannot make a pass"],
  noneNext: [
    "请用手机自带的浏览器打开链接。还是不行，请到岗亭或请邀请您的人办理纸质通行码（当天有效、限进一次）。",
    "Open the link in the phone's own browser. If that fails, ask the guard or your host for a printed pass (that day only, one entry).",
  ],
  lost: ["浏览器清除了密钥", "The browser has cleared the key"],
  lostNext: ["请向邀请您的人要新的链接，或到岗亭。", "Ask your host for a new link, or see the guard."],
  canvas: ["通行二维码", "Pass as a QR code"],
  passes: ["通行码", "Passes"],
};
const NAMES = ["zh-CN", "en"];
let index = 0;

export function speak(language) {
  index = NAMES.indexOf(language) === 1 ? 1 : 0;
  document.documentElement.lang = NAMES[index];
  document.title = say("title");
  for (const place of document.querySelectorAll("[data-t]")) place.textContent = say(place.dataset.t);
}

export const say = (name) => WORDS[name][index];
export const both = (name) => WORDS[name].join(" ");
export const spoken = () => NAMES[index];
export const unspoken = () => NAMES[1 - index];
export const preferred = () => ((navigator.language ?? "").toLowerCase().startsWith("zh") ? NAMES[0] : NAMES[1]);
