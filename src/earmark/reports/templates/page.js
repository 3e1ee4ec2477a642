"use strict";
// Confusions to listen to. All text comes from the run: it is only ever set as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const pickers = { task: at("task"), model: at("model"), deformation: at("deformation") };
  const matrix = at("matrix");
  let view = null;
  let chosen = null; // "row,column"

  function make(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }
  const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
  const percent = (share) => (share > 0 && share < 0.01 ? "under 1 %" : `${Math.round(share * 100)} %`);
  const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

  // --- what is chosen -------------------------------------------------------------------------------------------
  const picked = () => [pickers.task, pickers.model, pickers.deformation].map((one) => Number(one.value));
  const key = (cell) => `${cell.row},${cell.column}`;

  function fill(select, names, index) {
    select.replaceChildren(...names.map((name, place) => make("option", { value: place, textContent: name })));
    select.value = Math.max(0, index);
  }

  function pick(task, model, deformation) {
    const of = data.tasks[task];
    fill(pickers.task, data.tasks.map((one) => one.name), task);
    fill(pickers.model, of.systems, model);
    fill(pickers.deformation, of.deformations, deformation);
    draw();
  }

  function draw() {
    const [task, model, deformation] = picked();
    const of = data.tasks[task];
    const found = of.views[model]?.[deformation];
    chosen = null;
    at("heard").hidden = true;
    at("view-title").textContent = `${of.name}: ${of.systems[model]}, ${of.deformations[deformation]}`;
    for (const id of ["worst", "matrix"]) at(id).replaceChildren();
    at("matrix-frame").hidden = at("legend").hidden = !found;
    view = found ? read(found) : null;
    if (!view) {
      at("view-said").textContent = "This page holds no matrix of it: the run did not score it, or the page was full.";
      return;
    }
    const { right } = view;
    const mean = view.seeds > 1 ? `, mean of ${view.seeds} seeds` : "";
    at("view-said").textContent = `${plural(view.total, view.unit)}, ${number(right)} right (${percent(right / view.total || 0)})${mean}.`;
    drawWorst();
    if (view.isWhole) drawMatrix();
    else at("matrix-frame").hidden = at("legend").hidden = true;
  }

  function read(found) {
    const { rows, columns, unit, totals } = { ...data.axes[found.axes], ...found };
    const cells = found.cells.map(([row, column, clips, isError, n, said]) => ({
      row, column, clips, isError: Boolean(isError), n, share: totals[row] ? clips / totals[row] : 0,
      said: Array.from({ length: said.length / found.width }, (_, at) => said.slice(at * found.width, (at + 1) * found.width)),
    }));
    const total = totals.reduce((sum, one) => sum + one, 0);
    const byKey = new Map(cells.map((cell) => [key(cell), cell]));
    return { ...found, rows, columns, unit, total, cells, byKey };
  }

  // --- the matrix -----------------------------------------------------------------------------------------------
  const sentence = (cell) => `${view.rows[cell.row]} → ${view.columns[cell.column]}`;

  function drawWorst() {
    const errors = view.cells.filter((cell) => cell.isError).sort((one, other) => other.clips - one.clips);
    at("worst").replaceChildren(...errors.slice(0, view.isWhole ? 6 : 200).map((cell) => {
      const button = make("button", { type: "button" }, make("bdi", { textContent: sentence(cell) }), " ",
        make("span", { textContent: `${number(cell.clips)} (${percent(cell.share)})` }));
      button.addEventListener("click", () => open(cell, true));
      return make("li", {}, button);
    }));
  }

  function drawMatrix() {
    const head = make("tr", {}, make("td", { textContent: "" }));
    for (const name of view.columns) {
      head.append(make("th", { scope: "col", title: name }, make("span", { textContent: name, dir: "auto" })));
    }
    head.append(make("th", { scope: "col" }, make("span", { textContent: view.unit + "s" })));
    const body = make("tbody");
    view.rows.forEach((name, row) => {
      const line = make("tr", {}, make("th", { scope: "row", textContent: name, title: name, dir: "auto" }));
      view.columns.forEach((_, column) => line.append(drawCell(view.byKey.get(`${row},${column}`))));
      line.append(make("td", { className: "sum", textContent: number(view.totals[row]) }));
      body.append(line);
    });
    const what = `Lines: what is true. Columns: what was said. Numbers: ${view.unit}s${view.seeds > 1 ? ", mean over seeds" : ""}.`;
    matrix.replaceChildren(make("caption", { className: "muted", textContent: what }), make("thead", {}, head), body);
    const first = matrix.querySelector(".wrong") ?? matrix.querySelector("button");
    if (first) first.tabIndex = 0;
  }

  function drawCell(cell) {
    if (!cell) return make("td", { className: "none", textContent: "·" });
    const kind = cell.isError ? "wrong" : "right";
    const step = Math.min(10, Math.max(1, Math.ceil(10 * Math.sqrt(cell.share) - 1e-9)));
    const button = make("button", {
      type: "button", tabIndex: -1, textContent: number(cell.clips), className: `${kind} ${kind}-${step}`,
      ariaLabel: `${number(cell.clips)}: ${sentence(cell)}, ${percent(cell.share)} of the line`, title: sentence(cell),
    });
    button.dataset.cell = key(cell);
    button.setAttribute("aria-pressed", "false");
    if (cell.said.some(([clip]) => pictured(clip))) button.classList.add("heard");
    button.addEventListener("click", () => open(cell, true));
    return make("td", {}, button);
  }

  const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  matrix.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move || !event.target.dataset.cell) return;
    event.preventDefault();
    let [row, column] = event.target.dataset.cell.split(",").map(Number);
    do {
      row += move[0];
      column += move[1];
      const next = matrix.querySelector(`[data-cell="${row},${column}"]`);
      if (next) return focusOn(next);
    } while (row >= 0 && column >= 0 && row < view.rows.length && column < view.columns.length);
  });

  function focusOn(button) {
    for (const one of matrix.querySelectorAll('button[tabindex="0"]')) one.tabIndex = -1;
    button.tabIndex = 0;
    button.focus();
  }

  // --- the clips of a cell --------------------------------------------------------------------------------------
  function pictured(clip) {
    return data.media[`${clip}/${data.tasks[picked()[0]].chains[picked()[2]]}`];
  }

  function open(cell, moveFocus) {
    chosen = cell;
    for (const one of matrix.querySelectorAll("[data-cell]")) {
      const isChosen = one.dataset.cell === key(cell);
      one.setAttribute("aria-pressed", String(isChosen));
      if (isChosen) one.tabIndex = 0;
      else if (one.tabIndex === 0) one.tabIndex = -1;
    }
    const shown = cell.said.filter(([clip]) => pictured(clip));
    const others = cell.said.filter(([clip]) => !pictured(clip));
    const rest = cell.n > cell.said.length ? ` ${cell.said.length} of them are on this page.` : "";
    at("heard-head").textContent = sentence(cell);
    at("heard-said").textContent = `${plural(cell.n, "clip")}, by at least one of ${plural(view.seeds, "seed")}; the surest first.${rest}`;
    at("clips").replaceChildren(...shown.map((said) => drawClip(cell, said)));
    at("others").replaceChildren(...(others.length ? [drawOthers(cell, others)] : []));
    at("heard").hidden = false;
    remember();
    if (moveFocus) at("heard-head").focus();
  }

  const fact = (before, text) => make("p", {}, make("span", { className: "muted", textContent: before }), make("bdi", { textContent: text }));
  const condition = () => pickers.deformation.selectedOptions[0].textContent;
  const isClean = () => data.tasks[picked()[0]].isClean[picked()[2]];
  const ofFile = () => (isClean() ? "the file on the machine of the run" : `clean file; the model heard ${condition()}`);

  function drawClip(cell, [clip, probability, seeds, target, label]) {
    const [id] = data.clips[clip];
    const media = pictured(clip);
    const card = make("li", { className: "clip" });
    if (media.picture) {
      card.append(make("img", { src: media.picture, alt: `Log-mel spectrogram of ${id}, ${condition()}: low frequencies at the bottom` }));
    }
    const body = make("div", {}, make("h4", { textContent: id, dir: "auto" }));
    body.append(fact("is ", target ?? view.rows[cell.row]), fact("said ", label ?? view.columns[cell.column]), drawSure(probability, seeds));
    const source = media.sound ?? address(clip);
    if (source) body.append(...player(source, media.sound ? `just what the model heard (${condition()})` : ofFile(), id));
    if (media.why) body.append(make("p", { className: "muted", textContent: media.why }));
    card.append(body);
    return card;
  }

  function drawSure(probability, seeds) {
    const sure = make("p", { className: "muted" });
    if (probability !== null) {
      sure.append(make("meter", { min: 0, max: 100, value: probability, ariaLabel: "probability" }), ` ${(probability / 100).toFixed(2)} · `);
    }
    sure.append(`${seeds} of ${plural(view.seeds, "seed")}`);
    return sure;
  }

  function drawOthers(cell, said) {
    const hasWords = said[0].length > 3;
    const heads = ["clip", ...(hasWords ? ["is", "said"] : []), "probability", "seeds", "sound"];
    const body = make("tbody");
    for (const [clip, probability, seeds, ...words] of said) {
      const [id] = data.clips[clip];
      const sound = make("td");
      const source = address(clip);
      if (source) {
        const button = make("button", { type: "button", textContent: "Play", ariaLabel: `Play ${id}` });
        button.addEventListener("click", () => {
          const [audio, note] = player(source, "", id);
          sound.replaceChildren(audio, note);
          audio.focus();
          audio.play().catch(() => {}); // the error is said by the player
        });
        sound.append(button);
      }
      const texts = [...words, probability === null ? "" : (probability / 100).toFixed(2), String(seeds)];
      body.append(make("tr", {}, make("th", { scope: "row", textContent: id, dir: "auto" }),
        ...texts.map((text) => make("td", { textContent: text, dir: "auto" })), sound));
    }
    const what = said.length === cell.said.length ? "Clips of this cell" : "The other clips of this cell";
    const caption = make("caption", { textContent: said.some(([clip]) => address(clip)) ? `${what} (${ofFile()})` : what });
    const head = make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col", textContent: name }))));
    return make("table", { className: "others" }, caption, head, body);
  }

  function address(clip) {
    const [, file, start, end] = data.clips[clip];
    if (file < 0) return null;
    return data.files[file] + (start === null && end === null ? "" : `#t=${start ?? 0}${end === null ? "" : `,${end}`}`);
  }

  function player(source, said, id) {
    const audio = make("audio", { controls: true, preload: "none", src: source, ariaLabel: `Play ${id}` });
    const note = make("p", { className: "muted", textContent: said });
    audio.addEventListener("error", () => { note.textContent = "Cannot be played: the file has moved, or is on another machine."; });
    return [audio, note];
  }

  at("back").addEventListener("click", () => {
    const button = matrix.querySelector('[aria-pressed="true"]');
    if (button) focusOn(button);
    else at("worst").querySelector("button")?.focus();
  });

  // --- the address ----------------------------------------------------------------------------------------------
  function remember() {
    const state = new URLSearchParams();
    for (const [name, select] of Object.entries(pickers)) state.set(name, select.selectedOptions[0].textContent);
    if (chosen) {
      state.set("is", view.rows[chosen.row]);
      state.set("said", view.columns[chosen.column]);
    }
    history.replaceState(null, "", `#${state}`);
  }

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    if (!state.has("task")) return false;
    const task = Math.max(0, data.tasks.findIndex((one) => one.name === state.get("task")));
    const of = data.tasks[task];
    const model = of.systems.indexOf(state.get("model"));
    const deformation = of.deformations.indexOf(state.get("deformation"));
    pick(task, model < 0 ? of.start[0] : model, deformation < 0 ? of.start[1] : deformation);
    const cell = view?.byKey.get(`${view.rows.indexOf(state.get("is"))},${view.columns.indexOf(state.get("said"))}`);
    if (cell) open(cell, false);
    at(cell ? "heard" : "listen").scrollIntoView();
    return true;
  }

  at("pickers").addEventListener("submit", (event) => event.preventDefault());
  pickers.task.addEventListener("change", () => {
    const [task, model, deformation] = picked();
    const same = (names, name, other) => (names.includes(name) ? names.indexOf(name) : other);
    const of = data.tasks[task];
    pick(task, same(of.systems, pickers.model.options[model].textContent, of.start[0]),
      same(of.deformations, pickers.deformation.options[deformation].textContent, of.start[1]));
    remember();
  });
  for (const one of [pickers.model, pickers.deformation]) one.addEventListener("change", () => { draw(); remember(); });
  addEventListener("hashchange", restore);

  at("listening").hidden = false;
  if (!restore()) pick(0, ...data.tasks[0].start);

  // --- where the reader is --------------------------------------------------------------------------------------
  const links = new Map([...document.querySelectorAll("nav a")].map((one) => [one.hash.slice(1), one]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      for (const one of links.values()) one.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) watcher.observe(at(id));
})();
