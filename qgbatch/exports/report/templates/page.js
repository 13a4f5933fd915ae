"use strict";
(() => {
  const ROW = 72; // px, as in the style
  const AROUND = 150; // segments of a document to show before and after the chosen one
  const SUGGESTED = 1000; // sources that the input field suggests
  const PRINTED = 2000; // maximum number of questions on paper
  const DOCUMENT = 0, SEGMENT = 1, QUESTION = 2, SCORE = 3, ANSWER = 4; // columns of questions

  const {documents, questions} = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const list = byId("list"), spacer = byId("spacer"), rows = byId("rows"), text = byId("text");
  const searched = questions.map((question) => `${question[QUESTION]}\n${question[ANSWER]}`.toLowerCase());
  const sources = documents.map(([source]) => source.toLowerCase());
  let shown = []; // indices of the questions in the list, in its order
  let chosen = -1; // index of a question

  const element = (name, content, className) => {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    if (className) made.className = className;
    if (name === "p" || name === "button") made.dir = "auto";
    return made;
  };

  // ---- The list: search, filters and order. Only visible rows have elements.

  const byQuestion = (a, b) => (searched[a] < searched[b] ? -1 : searched[a] > searched[b] ? 1 : a - b);
  const byLength = (a, b) => questions[a][QUESTION].length - questions[b][QUESTION].length;
  const byScore = (a, b) => questions[a][SCORE] - questions[b][SCORE];
  const orders = {
    position: (a, b) => a - b,
    score: (a, b) => byScore(b, a) || a - b,
    unconfident: (a, b) => byScore(a, b) || a - b,
    question: byQuestion,
    longest: (a, b) => byLength(b, a) || a - b,
    shortest: (a, b) => byLength(a, b) || a - b,
  };

  const select = () => {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const source = byId("source").value.toLowerCase().trim();
    const minScore = byId("score").value === "" ? -Infinity : Number(byId("score").value);
    shown = [];
    questions.forEach((question, index) => {
      if (question[SCORE] < minScore || !sources[question[DOCUMENT]].includes(source)) return;
      if (words.every((word) => searched[index].includes(word))) shown.push(index);
    });
    shown.sort(orders[byId("order").value]);
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${questions.length.toLocaleString("en")}`;
    spacer.style.height = `${shown.length * ROW}px`;
    list.scrollTop = 0;
    if (shown.length && !shown.includes(chosen)) {
      choose(shown[0]);
    } else {
      reveal();
      draw();
    }
  };

  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 10);
    rows.style.top = `${first * ROW}px`;
    rows.replaceChildren(...shown.slice(first, last).map((index, at) => row(index, first + at)));
    if (!shown.length) rows.append(element("p", "No question matches.", "none"));
    if (byId(`question-${chosen}`)) list.setAttribute("aria-activedescendant", `question-${chosen}`);
    else list.removeAttribute("aria-activedescendant");
  };

  const row = (index, position) => {
    const question = questions[index];
    const made = element("div", undefined, "row");
    made.id = `question-${index}`;
    made.dataset.index = index;
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", index === chosen);
    made.setAttribute("aria-posinset", position + 1);
    made.setAttribute("aria-setsize", shown.length);
    made.title = documents[question[DOCUMENT]][0];
    made.append(element("p", question[QUESTION]), element("small", facts(question)));
    return made;
  };

  const facts = (question) =>
    [question[SCORE].toFixed(3), shortened(documents[question[DOCUMENT]][0]), question[ANSWER]].filter(Boolean).join(" · ");

  const shortened = (source) => (source.length > 48 ? `…${source.slice(-47)}` : source); // the end of a path says more than its start

  const move = (by) => {
    if (!shown.length) return;
    choose(shown[Math.min(shown.length - 1, Math.max(0, shown.indexOf(chosen) + by))]);
  };

  const reveal = () => {
    const at = shown.indexOf(chosen);
    if (at < 0) return;
    if (at * ROW < list.scrollTop) list.scrollTop = at * ROW;
    if ((at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * ROW - list.clientHeight;
  };

  // ---- The document: its text around the chosen passage, with the questions beside their passages.

  const choose = (index) => {
    chosen = index;
    reveal();
    draw();
    const segment = questions[index][SEGMENT];
    show(questions[index][DOCUMENT], segment - AROUND, segment + AROUND);
    text.scrollTop = text.querySelector(".chosen").offsetTop - text.clientHeight / 3;
  };

  const show = (index, from, to) => {
    const [source, segments] = documents[index];
    const first = Math.max(0, from), last = Math.min(segments.length, to + 1);
    const asked = new Map();
    questions.forEach((question, position) => {
      if (question[DOCUMENT] !== index) return;
      asked.set(question[SEGMENT], [...(asked.get(question[SEGMENT]) ?? []), position]);
    });
    const made = [element("h3", source)];
    if (first > 0) made.push(more("Show the text before", index, first - 2 * AROUND, to, true));
    for (let at = first; at < last; at++) made.push(segmentElement(segments[at], asked.get(at) ?? []));
    if (last < segments.length) made.push(more("Show the text after", index, from, last + 2 * AROUND));
    text.replaceChildren(...made);
  };

  const more = (label, index, from, to, isBefore) => {
    const button = element("button", label, "more");
    button.addEventListener("click", () => {
      const fromEnd = text.scrollHeight - text.scrollTop, fromStart = text.scrollTop;
      show(index, from, to);
      text.scrollTop = isBefore ? text.scrollHeight - fromEnd : fromStart; // the text that was visible stays in place
      text.focus({preventScroll: true});
    });
    return button;
  };

  const segmentElement = ([content, location], asked) => {
    const made = element("div", undefined, location ? "segment asked" : "segment between");
    if (asked.includes(chosen)) made.classList.add("chosen");
    const unknown = location ? "The table does not contain the text; see qgbatch run --with-context." : `${content.toLocaleString("en")} characters`;
    made.append(element("p", typeof content === "number" ? unknown : content));
    if (!location) return made;
    const beside = element("div"), items = element("ul");
    for (const position of asked) {
      const item = element("li"), button = element("button", questions[position][QUESTION]);
      button.dataset.index = position;
      if (position === chosen) button.setAttribute("aria-current", "true");
      if (questions[position][ANSWER]) button.append(element("small", ` ${questions[position][ANSWER]}`));
      item.append(button);
      items.append(item);
    }
    beside.append(items, element("small", location));
    made.append(beside);
    return made;
  };

  // ---- Events

  rows.addEventListener("click", (event) => {
    const hit = event.target.closest(".row");
    if (!hit) return;
    choose(Number(hit.dataset.index));
    if (text.offsetLeft === list.offsetLeft) list.scrollIntoView({block: "start"}); // on a narrow screen, show both
  });
  text.addEventListener("click", (event) => {
    const hit = event.target.closest("li button");
    if (!hit) return;
    choose(Number(hit.dataset.index));
    text.querySelector("[aria-current]").focus({preventScroll: true});
  });
  list.addEventListener("keydown", (event) => {
    const by = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity}[event.key];
    if (by === undefined) return;
    event.preventDefault();
    move(by);
  });
  list.addEventListener("scroll", draw);
  for (const id of ["search", "source", "score", "order"]) byId(id).addEventListener("input", select);
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", draw);

  addEventListener("beforeprint", () => {
    const printed = shown.slice(0, PRINTED).map((index) => {
      const line = element("tr");
      line.append(element("td", questions[index][QUESTION]), element("td", facts(questions[index])));
      return line;
    });
    if (shown.length > PRINTED) printed.push(element("caption", `The first ${PRINTED} of ${shown.length} questions.`));
    byId("printed").replaceChildren(...printed);
  });
  addEventListener("afterprint", () => byId("printed").replaceChildren());

  for (const source of new Set(documents.slice(0, SUGGESTED).map(([name]) => name))) {
    const option = element("option");
    option.value = source;
    byId("sources").append(option);
  }
  select();
})();
