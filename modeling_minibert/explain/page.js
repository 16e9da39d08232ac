// The page of one trace. The fragment of the address is the state (attention, layer, head, token): controls change it,
// and `render` redraws the page from it. Read `render` first.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const visibleToken = (token) => (token.trim() === "" ? "␣" : token);
const NAMES = { self: "self-attention", causal: "causal self-attention", cross: "cross-attention" };
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `700 13px ${getComputedStyle(document.body).fontFamily}`;
const widest = (tokens) => Math.max(...tokens.map((token) => ruler.measureText(visibleToken(token)).width), 20);
const nameOf = (attention) => `${attention.stack} ${NAMES[attention.kind]}`;

/** Create an HTML or SVG element with attributes and children. */
function make(name, attributes = {}, ...children) {
  const isSvg = ["svg", "g", "rect", "text", "path", "title"].includes(name);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// --- State

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const pick = (name, count, otherwise) => {
    const value = given.has(name) ? Number(given.get(name)) : otherwise;
    return Number.isInteger(value) && value >= 0 && value < count ? value : otherwise;
  };
  const attention = pick("attention", data.attentions.length, 0);
  const { layers, queries, kind } = data.attentions[attention];
  return {
    attention,
    layer: pick("layer", layers.length, 0),
    head: pick("head", layers[0].length, 0),
    // A classifier reads the first token; in a decoder the last one sees the whole text.
    token: pick("token", queries.length, kind === "causal" ? queries.length - 1 : 0),
  };
}

function show(change) {
  const next = { ...readState(), ...change };
  location.replace("#" + new URLSearchParams(next));
}

let followed = null; // the query under the pointer

function render() {
  const state = readState();
  const attention = data.attentions[state.attention];
  const head = attention.layers[state.layer][state.head];
  const view = { state, attention, head, most: Math.max(...head.weights.flat()) };
  followed = null;
  renderChoices("attention", data.attentions.map(nameOf), state.attention);
  renderChoices("layer", attention.layers.map((_, index) => index), state.layer);
  renderChoices("head", attention.layers[0].map((_, index) => index), state.head);
  renderLines(view);
  renderMap(view);
  renderOverview(view);
  renderPredictions(view);
  renderNorms(view);
  follow(view, state.token);
}

/** Native radio buttons: the arrow keys move among them. */
function renderChoices(name, labels, chosen) {
  const group = byId("choose-" + name);
  group.hidden = labels.length < 2;
  if (group.querySelectorAll("input").length !== labels.length) {
    group.replaceChildren(group.querySelector("legend"));
    labels.forEach((label, index) => {
      const input = make("input", { type: "radio", name, value: index });
      input.addEventListener("change", () => show({ [name]: index }));
      group.append(make("label", {}, input, make("span", {}, String(label))));
    });
  }
  group.querySelectorAll("input").forEach((input, index) => (input.checked = index === chosen));
}

/** Highlight one query in all views: its lines, its row of the map, its bars. */
function follow(view, query) {
  if (query === followed) return;
  followed = query;
  const weights = view.head.weights[query];
  document.querySelectorAll(".line").forEach((line) => {
    const own = Number(line.dataset.query) === query;
    line.style.strokeOpacity = own ? Math.max(line.dataset.share, 0.04) : line.dataset.share * 0.2;
  });
  document.querySelectorAll(".token.query").forEach((token, index) => {
    token.classList.toggle("pinned", index === query);
    token.querySelector("rect").style.fillOpacity = index === query ? 0.22 : 0;
  });
  document.querySelectorAll(".token.key").forEach((token, index) => {
    token.querySelector("rect").style.fillOpacity = (0.6 * weights[index]) / view.most;
  });
  const mark = document.querySelector(".row-mark");
  mark.setAttribute("y", Number(mark.dataset.top) + query * Number(mark.dataset.step));
  renderBars(view, query);
  const best = weights.indexOf(Math.max(...weights));
  const [from, to] = [view.attention.queries[query], view.attention.keys[best]].map(visibleToken);
  const place = `Layer ${view.state.layer}, head ${view.state.head} of the ${nameOf(view.attention)}`;
  byId("readout").textContent = `${place}: “${from}” attends most to “${to}” (${weights[best].toFixed(4)}).`;
}

// --- Lines between two columns of tokens

const LINE_HEIGHT = 24;

function renderLines(view) {
  const { queries, keys } = view.attention;
  const column = widest([...queries, ...keys]) + 14;
  const gap = Math.max(80, byId("lines").clientWidth - 2 * column);
  const height = LINE_HEIGHT * Math.max(queries.length, keys.length);
  const middle = (index) => (index + 0.5) * LINE_HEIGHT;
  const svg = make("svg", { width: 2 * column + gap, height, role: "group", "aria-label": "Tokens and their attention" });
  view.head.weights.forEach((row, query) => row.forEach((weight, key) => {
    if (view.head.scores[query][key] === null) return;
    const [x, y, end] = [column, middle(query), middle(key)];
    const path = `M${x},${y} C${x + gap / 2},${y} ${x + gap / 2},${end} ${x + gap},${end}`;
    const share = weight / view.most;
    svg.append(make("path", { class: "line", d: path, "stroke-width": 0.6 + 2.6 * share,
                              "data-query": query, "data-key": key, "data-share": share.toFixed(3) }));
  }));
  queries.forEach((token, query) => {
    const best = view.head.weights[query].indexOf(Math.max(...view.head.weights[query]));
    const label = `query ${query}, ${visibleToken(token)}, attends most to ${visibleToken(keys[best])}`;
    const box = tokenBox(token, "query", 0, query, column, { tabindex: 0, role: "button", "aria-label": label });
    box.addEventListener("pointerenter", () => follow(view, query));
    box.addEventListener("focus", () => follow(view, query));
    box.addEventListener("click", () => show({ token: query }));
    box.addEventListener("keydown", (event) => event.key === "Enter" && show({ token: query }));
    svg.append(box);
  });
  keys.forEach((token, key) => {
    const box = tokenBox(token, "key", column + gap, key, column);
    box.addEventListener("pointerenter", () => followKey(view, key));
    svg.append(box);
  });
  svg.addEventListener("pointerleave", () => follow(view, view.state.token));
  byId("lines").replaceChildren(svg);
}

function tokenBox(token, side, x, index, width, attributes = {}) {
  const text = make("text", { x: side === "query" ? x + width - 6 : x + 6, y: (index + 0.5) * LINE_HEIGHT + 4.5,
                              "text-anchor": side === "query" ? "end" : "start" }, visibleToken(token));
  const rect = make("rect", { x, y: index * LINE_HEIGHT + 1, width, height: LINE_HEIGHT - 2, rx: 4 });
  return make("g", { class: `token ${side}`, ...attributes }, rect, text);
}

/** Highlight one key: the lines that lead to it, and the queries that attend to it. */
function followKey(view, key) {
  followed = null;
  document.querySelectorAll(".line").forEach((line) => {
    const own = Number(line.dataset.key) === key;
    line.style.strokeOpacity = own ? Math.max(line.dataset.share, 0.04) : line.dataset.share * 0.2;
  });
  document.querySelectorAll(".token.query rect").forEach((rect, query) => {
    rect.style.fillOpacity = (0.6 * view.head.weights[query][key]) / view.most;
  });
  document.querySelectorAll(".token.key rect").forEach((rect, index) => {
    rect.style.fillOpacity = index === key ? 0.3 : 0;
  });
  const share = view.head.weights.reduce((sum, row) => sum + row[key], 0) / view.head.weights.length;
  const token = visibleToken(view.attention.keys[key]);
  byId("readout").textContent = `“${token}” receives ${(100 * share).toFixed(1)} % of the attention of all queries.`;
}

// --- Heat map

function renderMap(view) {
  const { queries, keys } = view.attention;
  const left = widest(queries) + 10;
  const [top, right] = [0.91 * widest(keys) + 16, 0.43 * widest(keys.slice(-3)) + 8]; // of names turned by 65°
  const size = Math.max(9, Math.min(28, Math.floor((byId("map").clientWidth - left - right) / keys.length)));
  const svg = make("svg", { width: left + keys.length * size + right, height: top + queries.length * size + 4,
                            role: "img", "aria-label": "Attention weights; the table of one query has the numbers" });
  svg.style.fontSize = `${Math.min(13, size + 1)}px`;
  keys.forEach((token, key) => {
    const [x, y] = [left + (key + 0.5) * size + 4, top - 6];
    svg.append(make("text", { x, y, transform: `rotate(-65 ${x} ${y})` }, visibleToken(token)));
  });
  queries.forEach((token, query) => {
    const y = top + query * size;
    svg.append(make("text", { x: left - 6, y: y + size / 2 + 4.5, "text-anchor": "end" }, visibleToken(token)));
    keys.forEach((_, key) => svg.append(mapCell(view, query, key, left + key * size, y, size)));
  });
  svg.append(make("rect", { class: "row-mark", x: left - 0.5, y: top, width: keys.length * size + 1, height: size,
                            "data-top": top, "data-step": size }));
  svg.addEventListener("pointerleave", () => follow(view, view.state.token));
  byId("map").replaceChildren(svg);
  byId("scale").textContent = `The strongest cell is ${view.most.toFixed(4)}.`;
}

function mapCell(view, query, key, x, y, size) {
  const [weight, score] = [view.head.weights[query][key], view.head.scores[query][key]];
  const [from, to] = [view.attention.queries[query], view.attention.keys[key]].map(visibleToken);
  const place = { x: x + 0.5, y: y + 0.5, width: size - 1, height: size - 1 };
  if (score === null) {
    return make("rect", { class: "cell hidden", ...place }, make("title", {}, `${from} does not see ${to}`));
  }
  const text = `${from} → ${to}: score ${score.toFixed(3)}, weight ${weight.toFixed(4)}`;
  const share = (0.03 + (0.97 * weight) / view.most).toFixed(4);
  const cell = make("rect", { class: "cell", ...place, "fill-opacity": share }, make("title", {}, text));
  cell.addEventListener("pointerenter", () => {
    follow(view, query);
    byId("readout").textContent = text;
  });
  cell.addEventListener("click", () => show({ token: query }));
  return cell;
}

// --- Bars of one query

function renderBars(view, query) {
  const head = make("tr", {}, ...["key", "score", "weight", ""].map((name) => make("th", { scope: "col" }, name)));
  const rows = view.attention.keys.map((token, key) => {
    const [weight, score] = [view.head.weights[query][key], view.head.scores[query][key]];
    const bar = make("span", { class: "bar" });
    bar.style.width = `${(100 * weight) / view.most}%`;
    return make("tr", score === null ? { class: "hidden" } : {},
      make("th", { scope: "row" }, visibleToken(token)),
      make("td", { class: "number" }, score === null ? "not seen" : score.toFixed(3)),
      make("td", { class: "number" }, weight.toFixed(4)),
      make("td", { class: "bar-cell" }, bar));
  });
  byId("title-bars").textContent = `One query: ${query} “${visibleToken(view.attention.queries[query])}”`;
  byId("bars").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

// --- All heads as thumbnails

function renderOverview(view) {
  const { layers } = view.attention;
  const grid = byId("overview");
  if (grid.dataset.attention !== String(view.state.attention)) {
    grid.dataset.attention = view.state.attention;
    grid.style.gridTemplateColumns = `auto repeat(${layers[0].length}, max-content)`;
    const cells = layers.flatMap((heads, layer) => [make("span", {}, String(layer)), ...heads.map((head, index) => {
      const label = `layer ${layer}, head ${index}`;
      const button = make("button", { type: "button", title: label, "aria-label": label }, thumbnail(head.weights));
      button.addEventListener("click", () => show({ layer, head: index }));
      return button;
    })]);
    grid.replaceChildren(...cells);
  }
  const chosen = view.state.layer * layers[0].length + view.state.head;
  grid.querySelectorAll("button").forEach((button, index) => button.classList.toggle("chosen", index === chosen));
}

function thumbnail(weights) {
  const canvas = make("canvas", { width: weights[0].length, height: weights.length });
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  const most = Math.max(...weights.flat());
  weights.forEach((row, y) => row.forEach((weight, x) => {
    context.globalAlpha = weight / most;
    context.fillRect(x, y, 1, 1);
  }));
  return canvas;
}

// --- The answer: predictions, and the words that led to it

function renderAttribution() {
  const { attribution } = data;
  byId("attribution").hidden = attribution === null;
  if (attribution === null) return;
  const most = Math.max(...attribution.words.map(([, score]) => Math.abs(score))) || 1;
  byId("words").replaceChildren(...attribution.words.flatMap(([word, score]) => {
    const share = Math.abs(score) / most;
    const side = share < 0.05 ? "" : (score > 0 ? "for" : "against") + (share > 0.6 ? " strong" : "");
    const box = make("span", { class: side, title: score.toFixed(3) }, visibleToken(word));
    box.style.setProperty("--share", (0.9 * share).toFixed(2));
    return [box, " "];
  }));
  byId("legend").replaceChildren(
    `Words that raise the logit of “${visibleToken(attribution.target)}” stand on blue, words that lower it on orange; `
    + "the darker, the more (integrated gradients; the sum is "
    + `${attribution.difference.toFixed(2)}, the logit of the text minus that of a text of ${attribution.baseline}).`);
}

function renderPredictions(view) {
  const answering = data.stacks[data.stacks.length - 1]; // the decoder, if there is one
  byId("answer-section").hidden = data.predictions.length === 0 && data.attribution === null;
  byId("predictions").replaceChildren(...data.predictions.map((prediction) => {
    const place = prediction.token === null ? "" : ` ${prediction.token} “${visibleToken(answering.tokens[prediction.token])}”`;
    const cells = prediction.candidates.map(([label, value]) => {
      const cell = make("td", {}, `${visibleToken(label)} ${value.toFixed(4)}`);
      if (prediction.is_probability) {
        const share = make("span", { class: "share" });
        share.style.width = `${4 * value}rem`;
        cell.append(share);
      }
      return cell;
    });
    const isChosen = prediction.token === view.state.token && view.attention.stack === answering.name;
    const classes = [isChosen ? "chosen" : "", data.predictions.length === 1 ? "single" : ""].join(" ").trim();
    return make("tr", classes ? { class: classes } : {}, make("th", { scope: "row" }, prediction.question + place), ...cells);
  }));
}

function renderNorms(view) {
  const stack = data.stacks.find((entry) => entry.name === view.attention.stack);
  const heads = stack.tokens.map((token) => make("th", { scope: "col" }, visibleToken(token)));
  const rows = stack.norms.map(({ name, values }) => {
    const most = Math.max(...values);
    const cells = values.map((value) => {
      const cell = make("td", {}, make("span", {}, value.toPrecision(3)));
      cell.style.setProperty("--share", (0.5 * value) / most);
      return cell;
    });
    const isChosen = name.startsWith(`layer ${view.state.layer}:`);
    return make("tr", isChosen ? { class: "chosen" } : {}, make("th", { scope: "row" }, name), ...cells);
  });
  byId("norms").replaceChildren(make("thead", {}, make("tr", {}, make("td"), ...heads)), make("tbody", {}, ...rows));
}

// --- Start

byId("model").textContent = data.model;
byId("text").textContent = data.text;
if (data.text_pair !== null) byId("text").append(" ", make("span", { class: "pair" }, data.text_pair));
document.title = `${data.model}: ${data.text}`;
renderAttribution();
byId("controls").addEventListener("submit", (event) => event.preventDefault());
window.addEventListener("hashchange", render);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  delete byId("overview").dataset.attention; // redraw the thumbnails in the new colour
  render();
});
render();
