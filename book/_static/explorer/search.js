"use strict";

/* Ranking and judging, as semshare.ranking and semshare.paper.failures do it. Pure functions. */
const ExplorerSearch = (() => {
  const letter = "[\\p{L}\\p{N}][\\p{L}\\p{N}\\p{Mn}\\p{Mc}\\u200c\\u200d]*";
  const inside = "(?:'|(?<=\\p{Script=Hebrew})\"(?=\\p{Script=Hebrew})|(?<=l)·(?=l))";
  const word = new RegExp(`${letter}(?:${inside}${letter})*`, "gu");
  const ignored = /[\u00ad\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\u{e0100}-\u{e01ef}]/gu;

  /** The lower-cased words of a text, as semshare.data.words.tokenise finds them; what is typed here is no HTML. */
  function tokenise(text) {
    const clean = text.toLowerCase().replace(ignored, "").normalize("NFC").replaceAll("i\u0307", "i");
    const plain = clean.replace(/[\u2018\u2019\u201b\u02bb\u02bc\uff07\u05f3]/g, "'").replaceAll("\u05f4", '"');
    return plain.match(word) ?? [];
  }

  function dot(one, other) {
    let sum = 0;
    for (let at = 0; at < one.length; at++) sum += one[at] * other[at];
    return sum;
  }

  /** The mean vector of the known words of a text, null where there is none, and which words are which. */
  function average(method, text) {
    // Where the run did not cut its texts by the library's rule, words are typed as it knows them, with spaces between.
    const words = method.spaced ? text.normalize("NFC").split(/\s+/).filter(Boolean) : tokenise(text);
    const known = words.filter((word) => method.wordIds.has(word));
    const unknown = [...new Set(words.filter((word) => !method.wordIds.has(word)))];
    if (!known.length) return { vector: null, known, unknown };
    const vector = new Float64Array(method.words.width);
    for (const word of known) {
      const row = method.rows.words[method.wordIds.get(word)];
      for (let at = 0; at < vector.length; at++) vector[at] += row[at] / known.length;
    }
    if (method.ranking === "cosine") {
      const length = Math.sqrt(dot(vector, vector)) || 1;
      for (let at = 0; at < vector.length; at++) vector[at] /= length;
    }
    return { vector, known, unknown };
  }

  /** The whole gallery in falling score: [{row, score, rank}]; ties keep the gallery's order. */
  function rank(vector, gallery) {
    return gallery
      .map((other, row) => ({ row, score: dot(vector, other) }))
      .sort((one, other) => other.score - one.score || one.row - other.row)
      .map((found, place) => ({ ...found, rank: place + 1 }));
  }

  /** What an item is to a query: the labels they share, and the kinds of failure where there are none. */
  function judge(dataset, queryLabels, itemLabels, itemHigh) {
    const asked = new Set(queryLabels);
    const shared = itemLabels.filter((label) => asked.has(label));
    if (shared.length) return { right: true, shared, kinds: [] };
    const groups = new Set(queryLabels.map((label) => dataset.supercategories[label]));
    const kinds = [];
    if (itemHigh.some((label) => asked.has(label))) kinds.push("semantic");
    if (hasSupercategories(dataset)) {
      if (itemLabels.some((label) => groups.has(dataset.supercategories[label]))) kinds.push("superclass");
      if (!kinds.length) kinds.push("other");
    }
    return { right: false, shared, kinds };
  }

  function hasSupercategories(dataset) {
    return dataset.supercategories.some((name) => name !== null);
  }

  return { tokenise, average, rank, judge, hasSupercategories };
})();
