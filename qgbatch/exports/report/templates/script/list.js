// The list of questions. Only rows in sight, and a few around them, have elements.

const ROW = 72; // px, as in the style
const AROUND_ROWS = 5;
const MAX_SOURCE = 48; // characters of a source in a row
const list = byId("list"), rows = byId("rows");
let chosen = -1; // index of a question, or -1

const sizeList = () => {
  byId("spacer").style.height = `${shown.length * ROW}px`;
  byId("none").hidden = shown.length > 0;
};

// A picture of the state and its name: neither colour nor shape is all that tells it.
const mark = (index) => {
  const name = STATES[states[index]], svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `mark ${name}`);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#mark-${name}`);
  svg.append(use);
  return svg;
};

const stateText = (index) => [STATES[states[index]], reasonOf(index)].filter(Boolean).join(": ");

const shortened = (source) => (source.length > MAX_SOURCE ? `…${source.slice(1 - MAX_SOURCE)}` : source); // its end says more

const firstRow = () => Math.max(0, Math.floor(list.scrollTop / ROW) - AROUND_ROWS);
let drawnFrom = -1;

const drawList = () => {
  const first = firstRow();
  drawnFrom = first;
  const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 2 * AROUND_ROWS);
  rows.style.top = `${first * ROW}px`;
  rows.replaceChildren(...shown.slice(first, last).map((index, at) => row(index, first + at)));
  if (byId(`question-${chosen}`)) list.setAttribute("aria-activedescendant", `question-${chosen}`);
  else list.removeAttribute("aria-activedescendant");
};

const row = (index, position) => {
  const made = element("div", undefined, `row ${STATES[states[index]]}`);
  made.id = `question-${index}`;
  made.dataset.index = index;
  made.setAttribute("role", "option");
  made.setAttribute("aria-selected", index === chosen);
  made.setAttribute("aria-posinset", position + 1);
  made.setAttribute("aria-setsize", shown.length);
  const source = documents[questions[index][DOCUMENT]][0];
  made.title = source;
  const facts = element("small");
  const others = [answerOf(index), questions[index][SCORE].toFixed(3), shortened(source)].filter(Boolean).join(" · ");
  if (states[index] === UNREAD) facts.append(element("span", "unread", "for-ears"), others);
  else facts.append(element("span", stateText(index), "state"), ` · ${others}`);
  made.append(mark(index), element("p", questionOf(index)), facts);
  return made;
};

const reveal = () => {
  const at = positions[chosen] ?? -1;
  if (at < 0) return;
  const top = (at - 1) * ROW, bottom = (at + 2) * ROW; // with the rows before and after it
  if (top < list.scrollTop) list.scrollTop = top;
  if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
};

// Makes a question the chosen one: in the list, in the panel and in the text.
const choose = (index) => {
  if (index !== chosen) {
    closeEditor(true);
    say(""); // what was said was about another question
  }
  chosen = index;
  reveal();
  drawList();
  drawPanel();
  showChosen();
};

const move = (by) => {
  if (shown.length) choose(shown[Math.min(shown.length - 1, Math.max(0, (positions[chosen] ?? -1) + by))]);
};

const moveToUnread = () => {
  const from = (positions[chosen] ?? -1) + 1;
  for (let step = 0; step < shown.length; step++) {
    const index = shown[(from + step) % shown.length];
    if (states[index] === UNREAD) return choose(index);
  }
  say("No question of the list is unread.");
};

// Draws again what decisions change.
const refresh = () => {
  drawList();
  drawPanel();
  drawQuestionsInText();
};

rows.addEventListener("click", (event) => {
  const hit = event.target.closest(".row");
  if (!hit) return;
  choose(Number(hit.dataset.index));
  if (narrow.matches) byId("review").scrollIntoView({block: "start"}); // the list, the text and the panel fill the screen
});
list.addEventListener("scroll", () => {
  if (firstRow() !== drawnFrom) drawList(); // else a click that has begun would lose its row
});
addEventListener("resize", drawList);
