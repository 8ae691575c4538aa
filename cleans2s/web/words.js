// Every text that the panel shows, in English and in Simplified Chinese. Both tables have the same names; what is a
// function takes what is to be filled in.

import * as documents from "./document_words.js";
import * as mind from "./mind_words.js";

const english = {
  ...mind.english,
  ...documents.english,
  lang: "en",
  panel: "Talk with the agent",
  you: "You",
  agent: "Agent",

  start: "Start talking",
  stop: "End conversation",
  mute: "Mute",
  unmute: "Unmute",
  listen: "Use microphone",
  interrupt: "Interrupt",
  interruptHint: "Make the agent stop talking now",
  levels: "Your voice and the agent's voice",

  state: {
    idle: "Ready",
    connecting: "Connecting…",
    listening: "Listening",
    thinking: "Thinking…",
    speaking: "Speaking",
    ducked: "Holding on",
    interrupted: "You have the floor",
    reconnecting: "Reconnecting…",
  },
  muted: "microphone off",
  writing: "writing only",
  roundTrip: (ms) => `network: ${ms} ms round trip`,

  conversation: "Conversation",
  empty: "Press “Start talking” and speak, or write below. You can interrupt the agent at any time: just talk.",
  copy: "Copy",
  copied: "Copied",
  copyByHand: "Selected: copy it with your keyboard",
  clear: "Clear",
  fresh: "New conversation",
  notHeard: "not heard",
  typed: "written",
  latency: (time) => `answered after ${time}`,
  latencyHint: "Time from the end of your speech to:",
  stages: {
    transcript_ms: "your words understood",
    opinions_ms: "judged whether you had finished",
    turn_end_ms: "your turn over",
    first_token_ms: "first word of the answer thought",
    first_clause_ms: "first clause of the answer complete",
    first_audio_ms: "its voice made",
    reply_ms: "heard by you",
  },
  ignored: {
    backchannel: (text) => `“${text}”: taken as a nod, the agent goes on`,
    noise: (text) => `“${text}”: taken as noise`,
    echo: (text) => `“${text}”: taken as the agent's own echo`,
    aside: (text) => `“${text}”: said to somebody else, the agent goes on`,
    tail: (text) => `“${text}”: the rest of what the agent cut into`,
  },
  engines: {
    vad: "Speech detection",
    asr: "Speech recognition",
    endpoint: "Turn detection",
    judge: "The judge",
    memory: "Memory",
    search: "Web search",
    documents: "Looking in the documents",
    llm: "The language model",
    tts: "The voice",
  },
  failed: (engine, error) => `${engine} failed: ${error}`,
  recorded: "This conversation is being recorded by the server.",
  called: "Used a tool:",

  write: "Write to the agent",
  placeholder: "Write instead of speaking…",
  send: "Send",

  dismiss: "Dismiss",
  problems: {
    "microphone-refused": [
      "The microphone is not allowed",
      "Allow it with the icon left of the address, then start again. Writing works without it.",
    ],
    "microphone-missing": [
      "No microphone was found",
      "Plug one in or switch it on, then start again. Writing works without it.",
    ],
    "microphone-busy": [
      "The microphone cannot be opened",
      "Another program may hold it: close that one, then start again. Writing works without it.",
    ],
    "insecure-page": [
      "This page may use no sound",
      "Speaking and writing both need it. Open the page over https:// or on localhost: browsers allow it only there.",
    ],
    unsupported: [
      "This browser cannot hold a conversation",
      "It lacks what is needed for live sound. Use a current Chrome, Edge, Firefox or Safari.",
    ],
    busy: ["All places are taken", "Somebody else is talking with the agent. Try again in a moment."],
    refused: ["The server refused the connection", "Reload the page; if a token is asked for, check that it is right."],
    lost: ["The connection was lost", "Check your network, then start again. What was said is still shown here."],
    server: ["The server reports an error", "The conversation goes on if it can; otherwise stop and start again."],
  },
  otherProblem: ["Something went wrong", "Stop and start again; reload the page if that does not help."],

  readiness: {
    loading: (what) => `Getting ready: ${what}`,
    failed: (why) => `The agent could not be loaded: ${why}`,
    away: () => "Waiting for the server…",
  },
  fetched: "How much has been fetched",

  timeline: "The last 20 seconds",
  legend: {
    turn: "your turn",
    ducked: "agent holds on",
    latency: "time to the answer",
    interrupted: "interrupted",
    ignored: "let pass",
  },
  picture: ({ turns, latency, interruptions, ignored }) =>
    [
      `The last 20 seconds of both voices: ${counted(turns, "turn")}`,
      latency && `the latest answered after ${latency}`,
      interruptions && counted(interruptions, "interruption"),
      ignored && `${counted(ignored, "sound")} let pass`,
    ]
      .filter(Boolean)
      .join(", "),
};

const chinese = {
  ...mind.chinese,
  ...documents.chinese,
  lang: "zh-Hans",
  panel: "与智能体对话",
  you: "你",
  agent: "智能体",

  start: "开始对话",
  stop: "结束对话",
  mute: "静音",
  unmute: "取消静音",
  listen: "打开麦克风",
  interrupt: "打断",
  interruptHint: "让智能体立刻停下",
  levels: "你和智能体的音量",

  state: {
    idle: "随时可以开始",
    connecting: "正在连接…",
    listening: "正在听",
    thinking: "正在思考…",
    speaking: "正在说话",
    ducked: "听到你的声音，先停一下",
    interrupted: "请说，我在听",
    reconnecting: "正在重新连接…",
  },
  muted: "麦克风已静音",
  writing: "仅打字",
  roundTrip: (ms) => `网络往返 ${ms} ms`,

  conversation: "对话记录",
  empty: "点击“开始对话”后直接说话，也可以在下面打字。智能体说话时，随时开口就能打断它。",
  copy: "复制",
  copied: "已复制",
  copyByHand: "已选中，请用键盘复制",
  clear: "清空",
  fresh: "新的对话",
  notHeard: "没有听到",
  typed: "打字",
  latency: (time) => `${time} 后回应`,
  latencyHint: "从你说完算起：",
  stages: {
    transcript_ms: "听清你的话",
    opinions_ms: "判断你是否说完",
    turn_end_ms: "确认轮到智能体",
    first_token_ms: "想出第一个词",
    first_clause_ms: "想好第一句",
    first_audio_ms: "合成出声音",
    reply_ms: "你听到回应",
  },
  ignored: {
    backchannel: (text) => `“${text}”：当作附和，智能体继续说`,
    noise: (text) => `“${text}”：当作噪声`,
    echo: (text) => `“${text}”：当作智能体自己的回声`,
    aside: (text) => `“${text}”：是对别人说的，智能体继续说`,
    tail: (text) => `“${text}”：被智能体打断后剩下的话`,
  },
  engines: {
    vad: "语音检测",
    asr: "语音识别",
    endpoint: "端点检测",
    judge: "判断",
    memory: "记忆",
    search: "网络搜索",
    documents: "查找文档",
    llm: "语言模型",
    tts: "语音合成",
  },
  failed: (engine, error) => `${engine}出错：${error}`,
  recorded: "服务器正在录下这段对话。",
  called: "调用了工具：",

  write: "给智能体打字",
  placeholder: "不方便说话？在这里打字…",
  send: "发送",

  dismiss: "关闭提示",
  problems: {
    "microphone-refused": ["无法使用麦克风：没有权限", "请点击地址栏左侧的图标，允许使用麦克风，然后重新开始。不用麦克风也可以打字。"],
    "microphone-missing": ["没有找到麦克风", "请接上或打开麦克风，然后重新开始。不用麦克风也可以打字。"],
    "microphone-busy": ["麦克风打不开", "可能正被其他程序占用，请先关闭那个程序再重新开始。不用麦克风也可以打字。"],
    "insecure-page": ["这个页面不能使用声音", "说话和打字都需要声音。浏览器只允许 https:// 或 localhost 页面使用，请换用这样的地址打开。"],
    unsupported: ["这个浏览器不支持实时对话", "它缺少实时语音所需的功能，请使用新版的 Chrome、Edge、Firefox 或 Safari。"],
    busy: ["现在人满了", "有人正在与智能体对话，请稍后再试。"],
    refused: ["服务器拒绝了连接", "请刷新页面；如果需要令牌，请检查令牌是否正确。"],
    lost: ["连接断开了", "请检查网络，然后重新开始。已有的对话记录还在这里。"],
    server: ["服务器报告了一个错误", "如果对话没有继续，请结束后重新开始。"],
  },
  otherProblem: ["出了点问题", "请结束后重新开始；如果还不行，请刷新页面。"],

  readiness: {
    loading: (what) => `正在准备：${what}`,
    failed: (why) => `智能体加载失败：${why}`,
    away: () => "正在等待服务器…",
  },
  fetched: "下载进度",

  timeline: "最近 20 秒",
  legend: {
    turn: "你在说",
    ducked: "智能体暂停",
    latency: "回应用时",
    interrupted: "被打断",
    ignored: "附和或噪声",
  },
  picture: ({ turns, latency, interruptions, ignored }) =>
    [
      `最近 20 秒双方的声音：共 ${turns} 轮`,
      latency && `最近一次回应用了 ${latency}`,
      interruptions && `打断 ${interruptions} 次`,
      ignored && `忽略 ${ignored} 个声音`,
    ]
      .filter(Boolean)
      .join("，"),
};

const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** The texts for a language tag such as "zh-CN"; the browser's own language where none is given. */
export function texts(language) {
  return /^zh\b/i.test(language || navigator.language) ? chinese : english;
}

/** A time to be read at a glance, alike in both languages: "640 ms", "1.3 s". */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
