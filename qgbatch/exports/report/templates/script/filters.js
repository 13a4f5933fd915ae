// Which questions the list has and in which order; the address says it too.

const CONTROLS = ["search", "source", "word", "state", "reason", "score", "order"];
const MAX_FILTER = 1000; // characters
const SUGGESTED = 1000; // sources that the input field suggests
const ADDRESS_AFTER = 300; // ms; browsers limit how often an address may change

const sources = documents.map(([source]) => source.toLowerCase());
let shown = []; // indices of the questions in the list, in its order
let positions = new Int32Array(questions.length); // of the questions in the list; -1 for the others

const byQuestion = (a, b) => (searched[a] < searched[b] ? -1 : searched[a] > searched[b] ? 1 : a - b);
const byLength = (a, b) => questionOf(a).length - questionOf(b).length;
const byScore = (a, b) => questions[a][SCORE] - questions[b][SCORE];
const ORDERS = {
  position: undefined, // the order of the data
  score: (a, b) => byScore(b, a) || a - b,
  unconfident: (a, b) => byScore(a, b) || a - b,
  question: byQuestion,
  longest: (a, b) => byLength(b, a) || a - b,
  shortest: (a, b) => byLength(a, b) || a - b,
};

const value = (id) => byId(id).value;

const makeTest = () => {
  const terms = value("search").toLowerCase().split(/\s+/).filter(Boolean);
  const source = value("source").toLowerCase().trim();
  const minScore = value("score") === "" ? -Infinity : Number(value("score"));
  const word = value("word"), state = STATES.indexOf(value("state")), reason = value("reason");
  return (index) =>
    questions[index][SCORE] >= minScore &&
    (!word || words[index] === word) &&
    (state < 0 || states[index] === state) &&
    (!reason || (states[index] === DROPPED && (reasonOf(index) ?? "none") === reason)) &&
    sources[questions[index][DOCUMENT]].includes(source) &&
    terms.every((term) => searched[index].includes(term));
};

// Makes the list anew. A decision does not: its row stays until a filter changes, so that nothing jumps.
const select = () => {
  const test = makeTest();
  shown = [];
  for (let index = 0; index < questions.length; index++) if (test(index)) shown.push(index);
  if (ORDERS[value("order")]) shown.sort(ORDERS[value("order")]);
  positions.fill(-1);
  shown.forEach((index, position) => (positions[index] = position));
  byId("count").textContent = `${shown.length.toLocaleString("en")} of ${questions.length.toLocaleString("en")}`;
  byId("reset").hidden = CONTROLS.every((id) => value(id) === initial(byId(id)));
  byId("filtered").hidden = byId("reset").hidden;
  list.scrollTop = 0;
  sizeList();
  choose(positions[chosen] >= 0 ? chosen : shown[0] ?? -1);
};

// ---- The address

const initial = (control) => (control.tagName === "SELECT" ? control.options[0].value : "");

let addressing;
const writeAddress = () => {
  const named = new URLSearchParams();
  for (const id of CONTROLS) if (value(id) !== initial(byId(id))) named.set(id, value(id));
  const hash = named.size ? `#${named}` : "";
  if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
};

// What a control cannot have is left out: an unknown choice, a score that is no number.
const readAddress = () => {
  const named = new URLSearchParams(location.hash.slice(1));
  for (const id of CONTROLS) {
    const control = byId(id), wanted = (named.get(id) ?? "").slice(0, MAX_FILTER);
    control.value = control.type === "number" && !Number.isFinite(Number(wanted)) ? "" : wanted || initial(control);
    if (control.selectedIndex === -1) control.value = initial(control);
  }
};

const filter = () => {
  select();
  clearTimeout(addressing);
  addressing = setTimeout(writeAddress, ADDRESS_AFTER);
};
for (const id of CONTROLS) byId(id).addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("reset").addEventListener("click", () => {
  for (const id of CONTROLS) byId(id).value = initial(byId(id));
  filter();
  list.focus();
});
addEventListener("hashchange", () => {
  readAddress();
  select();
});

for (const source of new Set(documents.slice(0, SUGGESTED).map(([name]) => name))) {
  const option = element("option");
  option.value = source;
  byId("sources").append(option);
}
