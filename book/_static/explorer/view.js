"use strict";

/* What the explorer looks like: elements out of data. Every text of the data becomes a text node, never markup. */
const ExplorerView = (() => {
  const KINDS = { semantic: "semantic confusion", superclass: "super-class confusion", other: "other failure" };

  /** An element with properties (``aria-*``, ``role`` and ``for`` as attributes) and children, strings as text. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (/^(aria-|role$|for$)/.test(name)) element.setAttribute(name, value);
      else element[name] = value;
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  /** A select of [value, text] pairs with its visible label. */
  function choice(id, text, options, value, onChange) {
    const select = make("select", { id }, ...options.map(([key, shown]) => make("option", { value: key }, shown)));
    select.value = value;
    select.addEventListener("change", () => onChange(select.value));
    return make("div", { className: "explorer-field" }, make("label", { for: id }, text), select);
  }

  function labelNames(dataset, labels) {
    return labels.length ? labels.map((label) => dataset.labels[label]).join(", ") : "no label";
  }

  function chips(dataset, labels, shared = []) {
    const list = make("ul", { className: "explorer-chips", "aria-label": "Labels" });
    for (const label of labels) {
      const same = shared.includes(label);
      list.append(make("li", { className: same ? "shared" : "" }, make("bdi", {}, dataset.labels[label]),
        same ? hidden(" (shared)") : null));
    }
    if (!labels.length) list.append(make("li", { className: "none" }, "no label"));
    return list;
  }

  function hidden(text) {
    return make("span", { className: "explorer-hidden" }, text);
  }

  /** The picture of an item, or a grey place where the dataset has none. */
  function picture(dataset, pictures, row, alt) {
    const id = dataset.images[row].id;
    if (!pictures || !Object.hasOwn(pictures, id)) {
      return make("span", { className: "explorer-blank", role: "img", "aria-label": alt }, "no picture");
    }
    return make("img", { src: `data:image/webp;base64,${pictures[id]}`, alt, loading: "lazy", width: 128, height: 128 });
  }

  function pictureAlt(dataset, row) {
    return `Picture ${row + 1}: ${labelNames(dataset, dataset.images[row].labels)}`;
  }

  function sentence(text) {
    return make("bdi", { className: "explorer-text", dir: "auto" }, text || "(empty text)");
  }

  /** The chosen query with its labels. */
  function query(dataset, pictures, asked) {
    const body = make("div", { className: "explorer-query" });
    if (asked.kind === "image") body.append(picture(dataset, pictures, asked.row, pictureAlt(dataset, asked.row)));
    if (asked.kind !== "image") body.append(sentence(asked.text));
    if (asked.labels) body.append(make("div", {}, make("strong", {}, "Ground truth"), chips(dataset, asked.labels)));
    return body;
  }

  /** One found item. ``found`` has row, score, rank, verdict (null without ground truth), own, elsewhere. */
  function card(dataset, pictures, kind, found, onAsk) {
    const { verdict } = found;
    const item = (kind === "image" ? dataset.images : dataset.texts)[found.row];
    const right = verdict === null ? "" : verdict.right ? "right" : "wrong";
    const head = make("div", { className: "explorer-head" }, make("span", { className: "explorer-rank" }, `${found.rank}`));
    if (verdict) {
      head.append(make("span", { className: "explorer-mark", "aria-hidden": "true" }, verdict.right ? "✓" : "✗"),
        hidden(verdict.right ? "relevant" : "not relevant"));
    }
    head.append(make("span", { className: "explorer-score", title: "score" }, hidden("score "), found.score.toFixed(4)));
    const notes = verdict ? verdict.kinds.map((one) => KINDS[one]) : [];
    if (found.own) notes.unshift("its own pair");
    if (found.elsewhere) notes.push(found.elsewhere);
    const what = kind === "image" ? `picture ${found.row + 1}` : `text ${found.row + 1}`;
    const ask = make("button", { type: "button", className: "explorer-ask", "aria-label": `Ask with ${what}` }, "ask with this");
    ask.addEventListener("click", () => onAsk(found.row));
    return make("li", { className: `explorer-card ${right}` }, head,
      kind === "image" ? picture(dataset, pictures, found.row, pictureAlt(dataset, found.row)) : sentence(item.text),
      chips(dataset, item.labels, verdict ? verdict.shared : []),
      notes.length ? make("p", { className: "explorer-notes" }, notes.join(" · ")) : null,
      ask);
  }

  /** A listbox of queries: arrow keys, Home and End move the choice; it tells ``onChoose`` the row. */
  function listbox(label, rows, option, onChoose) {
    const list = make("ul", { className: "explorer-list", role: "listbox", tabIndex: 0, "aria-label": label });
    for (const row of rows) {
      const entry = option(row);
      Object.assign(entry, { id: `explorer-option-${row}` }).setAttribute("role", "option");
      entry.dataset.row = row;
      entry.addEventListener("click", () => onChoose(row));
      list.append(entry);
    }
    list.addEventListener("keydown", (event) => {
      const options = [...list.querySelectorAll("[data-row]")];
      const at = options.findIndex((entry) => entry.getAttribute("aria-selected") === "true");
      const wide = columns(options);
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -wide, ArrowDown: wide, Home: -Infinity, End: Infinity };
      if (!(event.key in steps) || !options.length || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const to = at < 0 ? 0 : Math.min(Math.max(at + steps[event.key], 0), options.length - 1);
      onChoose(Number(options[to].dataset.row));
    });
    return list;
  }

  function columns(options) {
    const next = options.findIndex((entry) => entry.offsetTop > options[0].offsetTop);
    return next < 1 ? Math.max(options.length, 1) : next;
  }

  /** Mark ``row`` as the chosen one and bring it into the list's view, leaving the page where it is. */
  function choose(list, row) {
    let chosen = null;
    for (const entry of list.children) {
      const selected = Number(entry.dataset.row) === row;
      entry.setAttribute("aria-selected", `${selected}`);
      if (selected) chosen = entry;
    }
    if (!chosen) return list.removeAttribute("aria-activedescendant");
    list.setAttribute("aria-activedescendant", chosen.id);
    const top = chosen.offsetTop - list.offsetTop, bottom = top + chosen.offsetHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }

  return { KINDS, make, choice, picture, pictureAlt, sentence, labelNames, query, card, listbox, choose };
})();
