"""The words for each way in which a source of pictures fails: what happened, and what to do, Chinese and English.

``{detail}`` stands for what the machine said, if anything.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from passes.words import Pair


class Trouble(StrEnum):
    """Why there are no pictures."""

    ABSENT = "absent"
    FOLDER_EMPTY = "folder_empty"
    FOLDER_UNREADABLE = "folder_unreadable"
    NO_VIDEO = "no_video"
    UNPLUGGED = "unplugged"
    OTHER_CAMERA = "other_camera"
    DEVICE_SHUT = "device_shut"
    DEVICE_ENDED = "device_ended"
    UNREACHABLE = "unreachable"
    NO_HTTP = "no_http"
    STATUS = "status"
    LOGIN = "login"
    STILL_PICTURE = "still_picture"
    NOT_MJPEG = "not_mjpeg"
    STREAM_SHUT = "stream_shut"
    STREAM_ENDED = "stream_ended"
    BROKE_OFF = "broke_off"
    NO_WHOLE_PICTURE = "no_whole_picture"
    SILENT = "silent"
    LATE = "late"
    NO_PROCESS = "no_process"
    PROCESS_LOST = "process_lost"
    CLOSED = "closed"
    FILE_UNREADABLE = "file_unreadable"
    FILE_TOO_LARGE = "file_too_large"
    NO_PICTURE = "no_picture"
    PICTURE_REFUSED = "picture_refused"
    PICTURE_LOST = "picture_lost"
    FILM_HUNG = "film_hung"
    FILM_KILLED = "film_killed"
    FILM_LIED = "film_lied"


def _words(what: tuple[str, str], then: tuple[str, str]) -> tuple[Pair, Pair]:
    return Pair(*what), Pair(*then)


_POWER = ("请检查摄像头的电源和网线", "Check its power and its cable")
_ADDRESS = ("请在浏览器里打开这个地址看看", "Open the address in a browser")
_PLAY = ("请用 ffplay 播放，看看哪里不对", "Play it with ffplay to see what is wrong")

SOURCE_WORDS: Final = MappingProxyType(
    {
        Trouble.ABSENT: _words(
            ("不存在", "does not exist"),
            (
                "请给出文件夹、图片、视频文件、http 或 rtsp 地址，或 /dev/videoN",
                "Give a folder, a picture, a video file, an http or rtsp address, or /dev/videoN",
            ),
        ),
        Trouble.FOLDER_EMPTY: _words(
            ("里没有图片", "holds no picture"),
            ("请放入以 {detail} 结尾的文件", "Put files there that end in {detail}"),
        ),
        Trouble.FOLDER_UNREADABLE: _words(
            ("无法读取（{detail}）", "cannot be listed ({detail})"), ("请检查权限", "Check its permissions")
        ),
        Trouble.NO_VIDEO: _words(("不是图片也不是视频", "is neither a picture nor a video"), _PLAY),
        Trouble.UNPLUGGED: _words(
            ("不在", "is not there"),
            ("请检查插头，再运行 ls -l /dev/v4l/by-path", "Check its plug, then: ls -l /dev/v4l/by-path"),
        ),
        Trouble.OTHER_CAMERA: _words(
            ("是另一个摄像头：{detail}", "is another camera: {detail}"),
            (
                "请把插头换回来，或把 camera 写成 /dev/v4l/by-path 里的名称",
                "Put the plugs back, or write camera = the name below /dev/v4l/by-path",
            ),
        ),
        Trouble.DEVICE_SHUT: _words(
            ("打不开", "did not open"),
            (
                "请看是否被别的程序占用：fuser -v /dev/video*",
                "Look whether another program uses it: fuser -v /dev/video*",
            ),
        ),
        Trouble.DEVICE_ENDED: _words(
            ("不再送来画面", "sent no more frames"), ("请检查插头", "Check its plug")
        ),
        Trouble.UNREACHABLE: _words(
            ("连不上（{detail}）", "is not reachable ({detail})"),
            ("请检查电源和地址", "Check its power and address"),
        ),
        Trouble.NO_HTTP: _words(("没有回答 HTTP（{detail}）", "gave no answer to HTTP ({detail})"), _ADDRESS),
        Trouble.STATUS: _words(("回答了 {detail}", "answered {detail}"), _ADDRESS),
        Trouble.LOGIN: _words(
            ("不接受登录（{detail}）", "refused the login ({detail})"),
            ("请检查地址里的用户名和密码", "Check user and password in the address"),
        ),
        Trouble.STILL_PICTURE: _words(
            ("只给一张图片，不是视频流", "answers one picture, not a stream"),
            ("请找它的 MJPEG 或 RTSP 地址", "Look for its MJPEG or RTSP address"),
        ),
        Trouble.NOT_MJPEG: _words(
            ("回答的是 {detail}，不是视频流", "answers {detail}, which is no stream of pictures"),
            ("请找它的 MJPEG 或 RTSP 地址", "Look for its MJPEG or RTSP address"),
        ),
        Trouble.STREAM_SHUT: _words(
            ("打不开", "did not open"),
            ("请检查电源、地址和密码", "Check its power, its address and its password"),
        ),
        Trouble.STREAM_ENDED: _words(("不再送来画面", "sent no more frames"), _POWER),
        Trouble.BROKE_OFF: _words(("断开了（{detail}）", "broke off ({detail})"), _POWER),
        Trouble.NO_WHOLE_PICTURE: _words(("没有送来完整的图片", "sends no whole pictures"), _ADDRESS),
        Trouble.SILENT: _words(("{detail} 秒没有画面", "sent no frame for {detail} s"), _POWER),
        Trouble.LATE: _words(("画面滞后", "lags behind"), ("正在重新打开", "It is opened anew")),
        Trouble.NO_PROCESS: _words(
            ("打不开：{detail}", "cannot be opened: {detail}"), ("请再试", "Try again")
        ),
        Trouble.PROCESS_LOST: _words(
            ("的取图进程没有了：{detail}", "lost the process that grabs from it: {detail}"),
            ("正在换一个", "Another takes its place"),
        ),
        Trouble.CLOSED: _words(("已关闭", "is closed"), ("请重新打开", "Open it again")),
        Trouble.FILE_UNREADABLE: _words(
            ("读不了（{detail}）", "cannot be read ({detail})"),
            ("请检查文件名和权限", "Check its name and its permissions"),
        ),
        Trouble.FILE_TOO_LARGE: _words(
            ("超过 {detail} MB", "is larger than {detail} MB"),
            ("请缩小后再试", "Make it smaller"),
        ),
        Trouble.NO_PICTURE: _words(
            ("不是 JPEG、PNG、BMP 或 WebP 图片", "is not a JPEG, PNG, BMP or WebP picture"),
            ("请用看图软件打开看看，或另存为 JPEG", "Open it with an image viewer, and save it as a JPEG"),
        ),
        Trouble.PICTURE_REFUSED: _words(
            ("看不了：{detail}", "cannot be looked at: {detail}"),
            ("请用看图软件打开看看", "Open it with an image viewer"),
        ),
        Trouble.PICTURE_LOST: _words(
            ("使读图进程失败了：{detail}", "made the process that looks at it fail: {detail}"),
            ("它可能是恶意图片，请勿在别处打开", "It may be meant to do harm: do not open it elsewhere"),
        ),
        Trouble.FILM_HUNG: _words(
            ("有一帧 {detail} 秒还没有解开", "hung for {detail} s on one frame"), _PLAY
        ),
        Trouble.FILM_KILLED: _words(
            ("使解码进程结束了", "ended the process that decoded it"),
            _PLAY,
        ),
        Trouble.FILM_LIED: _words(("有一帧的尺寸不可能", "gave a frame of no possible size"), _PLAY),
    }
)


def words_of(trouble: Trouble, detail: str) -> Pair:
    """What happened and what to do, as one sentence about the source and one to whoever reads it."""
    what, then = SOURCE_WORDS[trouble]
    zh, en = (f"{what.zh}。{then.zh}", f"{what.en}. {then.en}")
    return Pair(zh.replace("{detail}", detail), en.replace("{detail}", detail))
