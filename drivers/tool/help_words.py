"""What ``--help`` says in Chinese: the commands by their words, the options by their names.

English stands with the code, as Typer wants it. A test holds that each command and option has its words here.
"""

from typing import Final

from drivers.tool.help_words_acting import ACTING_COMMANDS, ACTING_OPTIONS

FRAME: Final = {
    "Usage:": "用法：",
    "Options:": "选项：",
    "Commands:": "命令：",
    "Arguments:": "参数：",
    "Examples:": "示例：",
    "Show this message and exit.": "显示本帮助。",
    "[required]": "[必填]",
    "[default:": "[默认：",
}
"""Words that the help's frame is made of."""

COMMANDS: Final = {
    "": "查看并试验门上的板子和设备。\n\n没有写明通道名称（--confirm）或当场输入，任何东西都不会动。",
    "ports": "列出串口，不打开任何端口。\n\n"
    "配置里请写 by-path 链接：它跟着插口走，ttyUSB 编号会变。USB 号只说明转接芯片，不说明后面的板。",
    "detect": "说出可能接了什么：只看 USB 号、只听，除非给出 --probe。\n\n"
    "探测可能让意想不到的板打开通道：先拔下继电器端子，再输入“已隔离”（或 --confirm isolated）。"
    "一次一个族：devantech、numato、modbus、kmtronic、lcus、turnstile-7e、gm65、honeywell、newland、"
    "thermometer-614v、modem、syn6288、osdp。",
    "identify": "问设备是谁，并说明把握多大。不动任何继电器。\n\n"
    "若问话会让别家的板动作，只有 USB 号相符或 --confirm isolated 才会问。"
    "OSDP 读卡器对谁都说自己的名字；有密钥（--key-file）才是证明。退出码 3：没有回答；"
    "1：回答的是别的设备，或没有我们密钥的读卡器。",
    "pulse": "让一个继电器吸合片刻：后面的通道会打开！\n\n"
    "先断开板上所有继电器，再吸合这一个，只一次。没有 --confirm 时在终端上询问通道名称，"
    "否则不发送任何字节（退出码 4）。退出码 1：被拒绝、输入没有反应，或继电器之后仍吸合。",
    "watch": "显示设备所说的一切，直到 Ctrl-C：输入、计数、码、温度。只读不写。\n\n"
    "开始时就有效的输入显示为第一次变化；有 gate.toml 时按角色命名。不动任何继电器。"
    "退出码 1：时间到了次数不够；3：读不到设备。",
    "doctor": "检查这台机器：权限、抢端口的程序、时间、磁盘、看门狗、配置。\n\n"
    "不打开端口，不改任何东西：只打印补救办法。退出码 1：有必须处理的问题。",
    "init": "制作 gate.toml：询问门、板、通道，先说明接线的后果，再写入。\n\n"
    "不打开端口，什么都不动。原有文件会留作备份。每条通道都要写明谁在何时试过。",
    "report": "汇总远程协助所需的一切：版本、配置、端口、发现、最近的跟踪。\n\n"
    "密码和电话号码已遮盖。散列是对不含散列的 JSON（键排序、无空格）计算的，供安装员签字。",
    "modbus": "查看一条 Modbus 线。",
    "modbus scan": "找出 Modbus 线上的单元。只读，一次一个单元、一种速率；从不问单元 0。\n\n"
    "编号本身会让别家的板动作的单元（81、92、100 到 118）不问，除非端子已拔下并写明 --confirm isolated。",
    "config": "查看、检查、修改门的配置文件。",
    "config show": "显示文件里的全部值，密码、PIN、令牌已遮盖。",
    "config validate": "检查文件：不认识的键给出建议，错误的值，对不上的板和通道。\n\n退出码 1：有问题。",
    "config diff": "与另一个文件逐键比较，默认与最新的备份比。退出码 1：有不同。",
    "config set": "修改一个值；注释保留，旧文件留作备份，错误的值不写入。",
    "config export": "把全部值写成一个 JSON 文件，带走或用于下一扇门。密码等已遮盖。",
    "config import": "用导出的文件替换配置；遮盖的密码保持现值。旧文件留作备份。",
    **ACTING_COMMANDS,
}
"""The help of each command, in paragraphs: the first is also what the list of commands says."""

OPTIONS: Final = {
    "--lang": "表格和消息的语言；默认跟随终端。",
    "--no-input": "从不提问：要回答的命令以退出码 4 结束，并说明该给什么。",
    "--offline": "从不经过运行中的门控程序：它在运行就以退出码 3 结束。",
    "--json": "以 JSON 输出数据。",
    "--dry-run": "只说会做什么，什么都不做。",
    "--trace": "把每个字节连同时间写入此文件（JSON 行）。",
    "--port": "串口设备；最好用 /dev/serial/by-path 链接。",
    "--protocol": "设备的协议。",
    "--profile": "Modbus 板的型号，或自己的型号文件。",
    "--make": "扫码器或测温模块的品牌。",
    "--unit": "共用线路上的地址。",
    "--board": "配置里板的名称，代替端口和协议。",
    "--config": "门的配置文件 gate.toml。",
    "--confirm": "通道名称（或 isolated 已隔离）：同意动作。",
    "--channel": "继电器编号，从 1 起，如板上所印。",
    "--ms": "毫秒数，100 到 2000。",
    "--count": "到这么多次就停。",
    "--timeout": "到这么多秒就停。",
    "--also": "另外显示这个路径，例如虚拟端口。",
    "--seconds": "每种速率听多久；0 不听。",
    "--probe": "问这一族。会发送字节！",
    "--baud": "速率。",
    "--usb": "端口自己没有 USB 号时写在这里。",
    "--units": "问哪些单元，例如 1-32 或 1,5,17。",
    "--answers": "从此文件取答案，不询问。",
    "--force": "检查有问题也写入；守护进程会拒绝它。",
    "--out": "写到这里；默认打印。",
    "--with-secrets": "不遮盖密码、PIN、令牌。",
    "--selftest": "附上的自检结果；默认取配置旁最新的。",
    "--installer": "谁来过。",
    "key": "例如 gate.zone、board.relays.port、lane.entry.pulse_ms。",
    "value": "新的值。",
    "other": "要比较的文件；默认最新的备份。",
    "source": "export 写出的文件，或一个 gate.toml。",
    **ACTING_OPTIONS,
}
"""The help of each option and argument, wherever it appears."""
