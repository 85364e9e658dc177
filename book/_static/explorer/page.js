"use strict";

/* The explorer's state, kept in the address, and what happens when it changes. */
(() => {
  const { make } = ExplorerView;
  const root = document.querySelector(".explorer");
  const manifest = JSON.parse(root.dataset.manifest);
  const names = Object.keys(manifest.datasets);
  const FIRST = 12; // results shown at once
  const ASK = { text: "Text to image", image: "Image to text", words: "Your words" };

  const state = readAddress();
  let dataset, pictures, methods; // what the state's files hold; methods: [{name, title, content}], one or two
  let list = null; // the queries to pick from
  let newest = 0; // counts loads, so that a slow one does not overtake

  const part = Object.fromEntries(
    ["choices", "pick", "asked", "filters", "results", "about"].map((name) => [name, make("div", { className: `explorer-${name}` })]),
  );
  const status = make("p", { className: "explorer-status", role: "status", "aria-live": "polite" });
  root.replaceChildren(part.choices, part.pick, part.asked, part.filters, status, part.results, part.about);
  window.addEventListener("hashchange", () => Object.assign(state, readAddress()) && open());
  open();

  /** The state that the address tells; whatever it does not tell, or tells wrong, is the default. */
  function readAddress() {
    const told = new URLSearchParams(location.hash.slice(1));
    const among = (name, known, other) => (known.includes(told.get(name)) ? told.get(name) : other);
    const name = among("dataset", names, names[0]);
    const known = Object.keys(manifest.datasets[name].methods);
    return {
      dataset: name,
      method: among("method", known, known.includes("ours") ? "ours" : known[0]),
      beside: among("beside", known, ""),
      ask: among("ask", Object.keys(ASK), "text"),
      row: Math.max(Number.parseInt(told.get("row"), 10) || 0, 0),
      words: told.get("words") ?? "",
      show: told.get("show") ?? "all",
      label: told.get("label") ?? "",
      find: "",
      shown: FIRST,
    };
  }

  function writeAddress() {
    const kept = { dataset: state.dataset, method: state.method, beside: state.beside, ask: state.ask };
    if (state.ask === "words") kept.words = state.words;
    else kept.row = state.row;
    if (state.show !== "all") kept.show = state.show;
    if (state.label) kept.label = state.label;
    history.replaceState(null, "", `#${new URLSearchParams(Object.entries(kept).filter(([, value]) => value !== ""))}`);
  }

  /** Load what the state names, then show all of it. */
  async function open() {
    const turn = ++newest;
    const chosen = manifest.datasets[state.dataset];
    const wanted = [state.method, ...(state.beside ? [state.beside] : [])];
    status.textContent = "Loading…";
    try {
      const [content, thumbs, ...found] = await Promise.all([
        ExplorerData.load(manifest.data, chosen.file),
        chosen.pictures ? ExplorerData.load(manifest.data, chosen.pictures) : null,
        ...wanted.map((name) => ExplorerData.loadMethod(manifest.data, chosen.methods[name].file)),
      ]);
      if (turn !== newest) return;
      [dataset, pictures] = [content, thumbs];
      methods = wanted.map((name, at) => ({ name, title: chosen.methods[name].title, content: found[at] }));
    } catch (error) {
      if (turn === newest) status.textContent = error.message;
      return;
    }
    state.row = Math.min(state.row, items(state.ask).length - 1);
    if (!kinds().some(([kind]) => kind === state.show)) state.show = "all";
    if (!(Number(state.label) < dataset.labels.length)) state.label = "";
    showChoices();
    showPick();
    showFilters();
    showAbout();
    search();
  }

  function items(ask) {
    return ask === "image" ? dataset.images : dataset.texts;
  }

  function change(changed) {
    Object.assign(state, { shown: FIRST }, changed);
  }

  // What is chosen

  function showChoices() {
    const focused = document.activeElement?.id;
    const known = Object.entries(manifest.datasets[state.dataset].methods).map(([name, method]) => [name, method.title]);
    const ask = make("fieldset", { className: "explorer-direction" }, make("legend", {}, "Direction"));
    for (const [value, text] of Object.entries(ASK)) {
      const radio = make("input", { type: "radio", name: "explorer-ask", id: `explorer-ask-${value}`, value, checked: value === state.ask });
      radio.addEventListener("change", () => {
        change({ ask: value, row: 0, find: "" });
        showPick();
        showAbout();
        search();
      });
      ask.append(radio, make("label", { for: radio.id }, text));
    }
    part.choices.replaceChildren(
      ExplorerView.choice("explorer-dataset", "Dataset", names.map((name) => [name, name]), state.dataset, (dataset) => {
        const other = Object.keys(manifest.datasets[dataset].methods);
        const method = other.includes(state.method) ? state.method : other[0];
        change({ dataset, method, beside: other.includes(state.beside) ? state.beside : "", row: 0, find: "", label: "" });
        open();
      }),
      ExplorerView.choice("explorer-method", "Method", known, state.method, (method) => change({ method }) ?? open()),
      ExplorerView.choice("explorer-beside", "Beside it", [["", "nothing"], ...known], state.beside, (beside) => change({ beside }) ?? open()),
      ask,
    );
    if (focused?.startsWith("explorer-")) document.getElementById(focused)?.focus();
  }

  // The query

  function showPick() {
    if (state.ask === "words") return showTyping();
    const what = state.ask === "image" ? "picture" : dataset.kind === "tags" ? "tag set" : "sentence";
    const find = make("input", { type: "search", id: "explorer-find", value: state.find, autocomplete: "off", placeholder: "a word or a label" });
    find.addEventListener("input", () => {
      state.find = find.value;
      fillList(what);
    });
    const random = make("button", { type: "button" }, "Surprise me");
    random.addEventListener("click", () => {
      const rows = [...list.querySelectorAll("[data-row]")].map((entry) => Number(entry.dataset.row));
      if (rows.length) pick(rows[Math.floor(Math.random() * rows.length)]);
    });
    part.pick.replaceChildren(
      make("div", { className: "explorer-row" },
        make("div", { className: "explorer-field" }, make("label", { for: "explorer-find" }, `Find a ${what}`), find), random),
    );
    fillList(what);
  }

  function fillList(what) {
    const wanted = state.find.toLowerCase();
    const words = (row) => `${items(state.ask)[row].text ?? ""} ${ExplorerView.labelNames(dataset, items(state.ask)[row].labels)}`;
    const rows = [...items(state.ask).keys()].filter((row) => words(row).toLowerCase().includes(wanted));
    const option = (row) => state.ask === "image"
      ? make("li", { title: ExplorerView.pictureAlt(dataset, row) }, ExplorerView.picture(dataset, pictures, row, ExplorerView.pictureAlt(dataset, row)))
      : make("li", {}, ExplorerView.sentence(dataset.texts[row].text));
    const filled = ExplorerView.listbox(`Choose a ${what}`, rows, option, pick);
    filled.classList.toggle("pictures", state.ask === "image");
    if (list?.parentNode === part.pick) list.replaceWith(filled);
    else part.pick.append(filled);
    list = filled;
    if (!rows.length) list.append(make("li", { role: "option", "aria-disabled": "true" }, `No ${what} has that.`));
    ExplorerView.choose(list, state.row);
  }

  function pick(row) {
    change({ row });
    ExplorerView.choose(list, row);
    search();
  }

  function showTyping() {
    const input = make("input", { type: "text", id: "explorer-words", value: state.words, autocomplete: "off", maxLength: 300, placeholder: "two dogs on a beach", "aria-describedby": "explorer-approximate" });
    input.addEventListener("input", () => {
      change({ words: input.value });
      search();
    });
    part.pick.replaceChildren(
      make("div", { className: "explorer-field explorer-words" }, make("label", { for: "explorer-words" }, "Type words"), input),
      make("p", { id: "explorer-approximate", className: "explorer-approximate" },
        make("strong", {}, "Approximate: "), "no network runs here. Each word has the vector that the model gives it as a text of its own; a query is their mean."),
      make("p", { className: "explorer-unknown", id: "explorer-unknown" }),
    );
    list = null;
  }

  /** The query of the state as ``method`` sees it: {vector, labels}; labels null where there is no ground truth. */
  function asked(method) {
    if (state.ask !== "words") return { vector: method.rows[state.ask][state.row], labels: items(state.ask)[state.row].labels };
    return { vector: ExplorerSearch.average(method, state.words).vector, labels: null };
  }

  // The results

  function kinds() {
    const found = [["all", "everything"], ["right", "relevant (✓)"], ["wrong", "not relevant (✗)"], ["semantic", "semantic confusion"]];
    return ExplorerSearch.hasSupercategories(dataset) ? [...found, ["superclass", "super-class confusion"], ["other", "other failures"]] : found;
  }

  function showFilters() {
    const labels = dataset.labels.map((name, at) => [`${at}`, name]);
    const focused = document.activeElement?.id;
    part.filters.replaceChildren(
      ExplorerView.choice("explorer-show", "Show", kinds(), state.show, (show) => change({ show }) ?? search()),
      ExplorerView.choice("explorer-label", "With the label", [["", "any"], ...labels], state.label, (label) => change({ label }) ?? search()),
    );
    if (focused?.startsWith("explorer-")) document.getElementById(focused)?.focus();
  }

  /** The ranking of one method, judged. */
  function ranking(method) {
    const gallery = state.ask === "image" ? "text" : "image";
    const { vector, labels } = asked(method.content);
    if (!vector) return [];
    const high = method.content[`${gallery}_high`];
    const owners = (image, text) => dataset.texts[text].of.includes(image);
    return ExplorerSearch.rank(vector, method.content.rows[gallery]).map((found) => {
      const item = (gallery === "image" ? dataset.images : dataset.texts)[found.row];
      const own = labels && (state.ask === "image" ? owners(state.row, found.row) : owners(found.row, state.row));
      // Rounded to 16 bits, two equal unit vectors can have a product a little above 1.
      const score = method.content.ranking === "cosine" ? Math.max(-1, Math.min(1, found.score)) : found.score;
      return { ...found, score, own, verdict: labels && ExplorerSearch.judge(dataset, labels, item.labels, high[found.row]) };
    });
  }

  function passes(found) {
    const gallery = state.ask === "image" ? dataset.texts : dataset.images;
    if (state.label && !gallery[found.row].labels.includes(Number(state.label))) return false;
    if (state.show === "all" || !found.verdict) return true;
    if (state.show === "right" || state.show === "wrong") return found.verdict.right === (state.show === "right");
    return found.verdict.kinds.includes(state.show);
  }

  function search() {
    writeAddress();
    const kind = state.ask === "image" ? "text" : "image";
    const rankings = methods.map((method) => ranking(method));
    const query = state.ask === "words"
      ? { kind: "text", text: state.words, labels: null }
      : { kind: state.ask, row: state.row, text: items(state.ask)[state.row].text, labels: items(state.ask)[state.row].labels };
    part.asked.hidden = state.ask === "words";
    part.asked.replaceChildren(make("h3", {}, "Query"), ExplorerView.query(dataset, pictures, query));
    document.getElementById("explorer-show").disabled = state.ask === "words";
    if (state.ask === "words") tellUnknown();

    const said = [];
    const columns = methods.map((method, at) => {
      const kept = rankings[at].filter(passes);
      const other = rankings.length > 1 ? new Map(rankings[1 - at].map((found) => [found.row, found.rank])) : null;
      const summary = summarise(rankings[at], kept, kind);
      said.push(`${method.title}: ${summary}`);
      const cards = (from, to) => kept.slice(from, to).map((found) => {
        const elsewhere = other && `rank ${other.get(found.row)} in ${methods[1 - at].title}`;
        return ExplorerView.card(dataset, pictures, kind, { ...found, elsewhere }, (row) => askWith(kind, row));
      });
      const found = make("ol", { className: `explorer-found ${kind === "image" ? "pictures" : "texts"}` }, ...cards(0, state.shown));
      const more = make("button", { type: "button", className: "explorer-more", hidden: kept.length <= state.shown }, "Show more");
      let shown = state.shown;
      more.addEventListener("click", () => {
        const added = cards(shown, shown + 2 * FIRST);
        found.append(...added);
        shown += added.length;
        more.hidden = shown >= kept.length;
        added[0].querySelector("button").focus();
      });
      const title = make("h3", {}, method.title);
      return make("section", { "aria-label": `Results of ${method.title}` }, title, make("p", { className: "explorer-summary" }, summary), found, more);
    });
    part.results.replaceChildren(...columns);
    part.results.classList.toggle("two", columns.length > 1);
    status.textContent = said.join(" ");
  }

  function summarise(all, kept, kind) {
    const what = kind === "image" ? "pictures" : dataset.kind === "tags" ? "tag sets" : "sentences";
    if (!all.length) return "type a word that the model knows.";
    const first = all.slice(0, 10);
    const filtered = kept.length < all.length ? `${kept.length} of ${all.length} ${what} pass the filters. ` : "";
    if (!all[0].verdict) return `${filtered}No ground truth: typed words have no labels.`;
    const right = (some) => some.filter((found) => found.verdict.right).length;
    return `${filtered}${right(first)} of the first ${first.length} are relevant, ${right(all)} of all ${all.length} ${what}.`;
  }

  function tellUnknown() {
    const { known, unknown } = ExplorerSearch.average(methods[0].content, state.words);
    const note = document.getElementById("explorer-unknown");
    const { vocabulary, known: size } = methods[0].content;
    const cut = vocabulary.length < size ? ` (the ${vocabulary.length} most frequent of ${size} words are shipped)` : "";
    note.textContent = unknown.length ? `Not in the vocabulary: ${unknown.join(", ")}${cut}.` : "";
    if (known.length && unknown.length) note.textContent += ` Searched for: ${known.join(" ")}.`;
  }

  function askWith(kind, row) {
    change({ ask: kind, row, find: "" });
    document.getElementById(`explorer-ask-${kind}`).checked = true;
    showPick();
    showAbout();
    search();
    list.focus({ preventScroll: true });
    root.scrollIntoView({ block: "start" });
  }

  // What the numbers are

  /** A bound with one digit, never below ``value``. */
  function roundedUp(value) {
    const unit = 10 ** Math.floor(Math.log10(value || 1));
    return (Math.ceil(value / unit) * unit).toExponential(0);
  }

  function showAbout() {
    const share = (value) => `${(100 * value).toFixed(1)} %`;
    const { images, texts, test } = dataset;
    const lines = [
      `${state.dataset} is ${dataset.status}. Gallery: the first ${images.length} of ${test} test images and their ${texts.length} ${dataset.kind === "tags" ? "different tag sets" : "captions"}.`,
      "✓: shares at least one label with the query. ✗: shares none.",
      "Semantic confusion: the classifier gives the wrong item one of the query's labels. " +
        (ExplorerSearch.hasSupercategories(dataset)
          ? "Super-class confusion: a label of it has a super-category in common with one of the query's."
          : "This dataset has no super-categories, so there is no super-class confusion to tell."),
    ];
    for (const { title, content } of methods) {
      lines.push(
        `${title}: the score is the ${content.ranking === "cosine" ? "cosine" : "dot product"} of two embeddings, shipped as 16-bit integers. No score differs from the library's by more than ${roundedUp(content.error)}; of the first ten items, ${share(content.agreement)} are the library's own.` +
          (content.typed === null ? "" : ` Typed words: for the texts of this gallery, ${share(content.typed)} of the first ten pictures are the same by the mean of the words as by the model reading the whole text.`),
      );
    }
    const open = part.about.querySelector("details")?.open ?? false;
    part.about.replaceChildren(
      make("details", { open }, make("summary", {}, "What these numbers are"), make("ul", {}, ...lines.map((line) => make("li", {}, line))), make("p", {}, dataset.attribution)),
    );
  }
})();
