// The document around the chosen passage, with the questions beside their passages.

const AROUND = 40; // segments of a document to show before and after the chosen one
const MORE = 200; // segments that a button adds
const text = byId("text");
const asked = documents.map(() => new Map()); // per document: segment -> indices of its questions
questions.forEach((question, index) => {
  const bySegment = asked[question[DOCUMENT]], segment = question[SEGMENT];
  if (bySegment.has(segment)) bySegment.get(segment).push(index);
  else bySegment.set(segment, [index]);
});
let view = {document: -1, first: 0, last: 0, segments: new Map(), chosen: -1}; // the segments that have elements

const showChosen = () => {
  if (chosen < 0) {
    view = {document: -1, first: 0, last: 0, segments: new Map(), chosen: -1};
    text.replaceChildren();
    return;
  }
  const [index, segment] = questions[chosen];
  if (view.document !== index || segment < view.first || segment >= view.last) {
    show(index, segment - AROUND, segment + AROUND);
  } else {
    const before = view.chosen;
    view.chosen = segment;
    for (const at of new Set([before, segment])) drawSegment(at);
  }
  const passage = view.segments.get(segment), answer = passage.querySelector("mark");
  const top = passage.offsetTop - text.clientHeight / 4;
  text.scrollTop = answer ? Math.max(top, answer.offsetTop - text.clientHeight * 3 / 4) : top; // the answer is in sight
};

const show = (index, from, to) => {
  const [source, segments] = documents[index];
  const first = Math.max(0, from), last = Math.min(segments.length, to + 1);
  view = {document: index, first, last, segments: new Map(), chosen: questions[chosen][SEGMENT]};
  const made = [element("h2", source)];
  if (first > 0) made.push(moreButton("Show the text before", index, first - MORE, to, true));
  for (let at = first; at < last; at++) {
    view.segments.set(at, segmentElement(at));
    made.push(view.segments.get(at));
  }
  if (last < segments.length) made.push(moreButton("Show the text after", index, from, last + MORE, false));
  text.replaceChildren(...made);
};

const moreButton = (label, index, from, to, isBefore) => {
  const button = element("button", label, "more");
  button.type = "button";
  button.addEventListener("click", () => {
    const fromEnd = text.scrollHeight - text.scrollTop, fromStart = text.scrollTop;
    show(index, from, to);
    text.scrollTop = isBefore ? text.scrollHeight - fromEnd : fromStart; // the text that was visible stays in place
    text.focus({preventScroll: true});
  });
  return button;
};

const drawSegment = (at) => {
  const before = view.segments.get(at);
  if (!before) return;
  const focused = before.contains(document.activeElement) ? document.activeElement.dataset.index : undefined;
  const made = segmentElement(at);
  before.replaceWith(made);
  view.segments.set(at, made);
  if (focused !== undefined) made.querySelector(`[data-index="${focused}"]`)?.focus({preventScroll: true});
};

const drawQuestionsInText = () => {
  for (const at of view.segments.keys()) if (asked[view.document].has(at)) drawSegment(at);
};

const segmentElement = (at) => {
  const [content, location] = documents[view.document][1][at];
  const here = asked[view.document].get(at) ?? [], isChosen = here.includes(chosen);
  const made = element("div", undefined, location ? "segment asked" : "segment between");
  made.classList.toggle("chosen", isChosen);
  const unknown = location ? "The table does not contain the text; see qgbatch run --with-context." : `${content.toLocaleString("en")} characters`;
  const passage = element("p", typeof content === "number" ? unknown : unwrapped(content));
  if (isChosen && typeof content === "string") markAnswer(passage, content);
  made.append(passage);
  if (!location) return made;
  const beside = element("div"), items = element("ul");
  for (const index of here) items.append(questionItem(index));
  beside.append(items, element("small", location));
  made.append(beside);
  return made;
};

// Text without the line breaks inside its paragraphs, if its lines are long; no character moves.
const unwrapped = (content) => content.replace(/([^\n]{50})\n(?=\S)/g, "$1 ");

// Places count code points, as in Python.
const markAnswer = (passage, content) => {
  const at = questions[chosen][ANSWER_AT], answer = originalAnswer(chosen);
  if (at === null || !answer) return;
  const characters = Array.from(unwrapped(content)), end = at + Array.from(answer).length;
  const found = characters.slice(at, end).join("");
  if (oneLine(found) !== oneLine(answer)) return; // it is not where the table says
  passage.replaceChildren(characters.slice(0, at).join(""), element("mark", found), characters.slice(end).join(""));
};

const questionItem = (index) => {
  const item = element("li"), button = element("button", undefined, STATES[states[index]]);
  button.type = "button";
  button.dataset.index = index;
  if (index === chosen) button.setAttribute("aria-current", "true");
  const words = element("span", questionOf(index));
  button.append(mark(index), words);
  if (answerOf(index)) words.append(element("small", ` ${answerOf(index)}`));
  if (states[index] !== UNREAD) button.append(element("span", ` (${STATES[states[index]]})`, "for-ears"));
  item.append(button);
  return item;
};

text.addEventListener("click", (event) => {
  const hit = event.target.closest("li button");
  if (!hit) return;
  choose(Number(hit.dataset.index));
  text.querySelector("[aria-current]").focus({preventScroll: true});
});
