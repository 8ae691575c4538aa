// What the server says of files that it could not take, in Chinese: it writes for logs and programs, in English. A sentence that
// is not known here is shown as it came.

const KNOWN = [
  [/^(.+) is empty: expected some (?:text|words)$/, (name) => `${name} 是空的，里面应当有文字`],
  [/^(.+) has ([\d,]+) MB: expected at most ([\d,]+); .*$/, (name, size, most) => `${name} 有 ${size} MB，最多 ${most} MB；请拆分，或只取其中的文字`],
  [/^(.+) cannot be read \((.+)\); check its name and its rights$/, (name, why) => `${name} 无法读取（${why}）；请检查文件名和权限`],
  [/^(.+) holds no text: its pages are pictures.*$/, (name) => `${name} 里没有文字：每一页都是图片；请先做文字识别（OCR），再添加`],
  [/^(.+) holds no text: all its pages are damaged$/, (name) => `${name} 里没有文字：每一页都已损坏`],
  [/^(.+) holds no text: it may hold pictures only$/, (name) => `${name} 里没有文字，可能只有图片`],
  [/^(.+) holds no text$/, (name) => `${name} 里没有文字`],
  [/^(.+) is an old or encrypted Office file: .*$/, (name) => `${name} 是旧式或加密的 Office 文件；请另存为不加密的 .docx 或 .pdf，再添加`],
  [/^(.+) is no (\w+) file: it does not begin like one; .*$/, (name, kind) => `${name} 不是 ${kind} 文件：开头不对，可能已损坏或不完整`],
  [/^(.+) is a damaged archive \((.+)\); .*$/, (name, why) => `${name} 的压缩包已损坏（${why}）；请用原来的程序重新保存`],
  [/^(.+) is an archive, and no Word document: .*$/, (name) => `${name} 是压缩包，不是 Word 文档；请解压后添加里面的文件`],
  [/^(.+) is encrypted(?: with a password)?: save it without .*$/, (name) => `${name} 已加密；请去掉密码后保存，再添加`],
  [/^(.+) is encrypted with AES, .*$/, (name) => `${name} 使用 AES 加密，服务器缺少解密所需的软件包 cryptography`],
  [/^(.+) would unpack from ([\d.,]+) to ([\d,]+) MB.*$/, (name, packed, size) => `${name} 会从 ${packed} MB 解压成 ${size} MB，正常的文档不会这样大，没有打开`],
  [/^(.+) is no text, and no kind of file that is read here: .*$/, (name) => `${name} 不是文字，也不是这里能读的文件；可以是 txt、md、html、pdf、docx 或 csv`],
  [/^(.+) is no text in any known encoding: .*$/, (name) => `${name} 的文字编码无法识别；请另存为 UTF-8`],
  [/^(.+) is a damaged PDF \((.+)\); .*$/, (name, why) => `${name} 是损坏的 PDF（${why}）；请用阅读器打开，再打印成新的 PDF`],
  [/^(.+) has ([\d,]+) pages: expected at most ([\d,]+); split it$/, (name, pages, most) => `${name} 有 ${pages} 页，最多 ${most} 页；请拆分`],
  [/^(.+) is a damaged Word document \((.+)\); .*$/, (name, why) => `${name} 是损坏的 Word 文档（${why}）；请用 Word 或 LibreOffice 重新保存`],
  [/^(.+) has more than ([\d,]+) rows: .*$/, (name, rows) => `${name} 超过 ${rows} 行：这样的数据更适合用数据库来查`],
  [/^(.+) cannot be read as a table \((.+)\); .*$/, (name, why) => `${name} 无法当作表格读取（${why}）；请另存为 CSV，文字加上引号`],
  [/^(.+) cannot be read as HTML \((.+)\)$/, (name, why) => `${name} 无法当作 HTML 读取（${why}）`],
  [/^(.+) is called (\w+), and was read as (\w+), which it is$/, (name, called, kind) => `${name} 的后缀是 ${called}，实际是 ${kind}，已按 ${kind} 读取`],
  [/^(.+) has the same content as (.+); it is kept once$/, (name, other) => `${name} 与 ${other} 内容相同，只保存一份`],
  [/^(.+): no text could be taken from pages? ([\d, ]+)$/, (name, pages) => `${name}：第 ${pages} 页没有取到文字`],
  [/^the index was made with another embedding model \((.+)\)$/, (model) => `索引是用另一个向量模型（${model}）建立的`],
  [/^(?:.*: )?there are (\d+) files already, .*$/, (count) => `已经有 ${count} 个文件，达到了上限；请先移除一些`],
  [/^(?:.*: )?your files would have more than ([\d,]+) MB together: .*$/, (size) => `你的文件加起来会超过 ${size} MB；请先移除一些`],
  [/^(?:.*: )?the disk of this server is nearly full: .*$/, () => "服务器的磁盘快满了，不能再存放文件"],
  [/^(?:.*: )?the server takes in too many files at this moment; try again$/, () => "服务器正在接收太多文件，请稍后再试"],
  [/^(?:.*: )?nothing could be written \((.+)\): .*$/, (why) => `无法写入（${why}）；请检查服务器的磁盘`],
  [/^(?:(.*): )?this was not finished, by a fault of the program: .*$/, (name) => `${name ? `${name}：` : ""}程序出错，没有完成；详情见服务器的日志`],
  [/^(.+) has not arrived: nothing came for (\d+) s; try again$/, (name, seconds) => `${name} 没有传完：${seconds} 秒没有收到数据，请重试`],
  [/^(.+) is being changed by another process: .*$/, () => "索引正在被另一个程序修改，请稍后再试"],
  [/^(.+) (?:is damaged|cannot be read|is of another version of cleans2s).*$/, (file) => `${file} 已损坏，或来自其他版本`],
];

/** The server's words, a line for each file. */
export function inChinese(words) {
  return words.split("\n").map(line).join("\n");
}

function line(words) {
  for (const [pattern, say] of KNOWN) {
    const found = pattern.exec(words);
    if (found) return say(...found.slice(1));
  }
  const [first, ...notes] = words.split("; "); // several notes on one file
  return notes.length && KNOWN.some(([pattern]) => pattern.test(first)) ? [first, ...notes].map(line).join("；") : words;
}
