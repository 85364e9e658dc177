"use strict";

/* The data files: scripts, because a page opened from a disk may load those and nothing else. */
const ExplorerData = (() => {
  const asked = new Map();

  /** The content of a data file (semshare.book.explorer), loaded on first use. */
  function load(base, file) {
    if (!asked.has(file)) {
      asked.set(file, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = base + encodeURIComponent(file);
        script.onload = () => resolve(window.semshareFiles[file]);
        script.onerror = () => {
          asked.delete(file);
          reject(new Error(`The file ${file} is missing: build the book anew, or copy its whole folder.`));
        };
        document.head.append(script);
      }));
    }
    return asked.get(file);
  }

  /** A matrix as semshare.book.explorer.pack wrote it: rows of floats. */
  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const rows = [];
    for (let start = 0; start < bytes.length; start += 2 * packed.width) {
      rows.push(Float64Array.from({ length: packed.width }, (_, at) => view.getInt16(start + 2 * at, true) * packed.scale));
    }
    return rows;
  }

  /** A method's file with its matrices as rows, unpacked once. */
  async function loadMethod(base, file) {
    const content = await load(base, file);
    if (!content.rows) {
      content.rows = { image: unpack(content.image), text: unpack(content.text), words: unpack(content.words) };
      content.wordIds = new Map(content.vocabulary.map((word, id) => [word, id]));
    }
    return content;
  }

  return { load, loadMethod };
})();
