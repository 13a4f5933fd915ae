"use strict";
(() => {
  const ROW = 72; // px, as in the style
  const AROUND = 150; // parts of a document before and after the chosen one
  const SUGGESTED = 1000; // sources
  const PRINTED = 2000; // questions
  const DOCUMENT = 0, PART = 1, QUESTION = 2, SCORE = 3, ANSWER = 4; // columns of questions

  const {documents, questions} = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const list = byId("list"), spacer = byId("spacer"), rows = byId("rows"), text = byId("text");
  const searched = questions.map((question) => `${question[QUESTION]}\n${question[ANSWER]}`.toLowerCase());
  const sources = documents.map(([source]) => source.toLowerCase());
  let shown = []; // indices of questions, in the order of the list
  let chosen = -1; // index of a question

  const element = (name, content, className) => {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    if (className) made.className = className;
    if (name === "p" || name === "button") made.dir = "auto";
    return made;
  };

  // ---- the list: what is searched, filtered and sorted; only the rows in sight are elements

  const byQuestion = (a, b) => (searched[a] < searched[b] ? -1 : searched[a] > searched[b] ? 1 : a - b);
  const byLength = (a, b) => questions[a][QUESTION].length - questions[b][QUESTION].length;
  const byScore = (a, b) => questions[a][SCORE] - questions[b][SCORE];
  const orders = {
    place: (a, b) => a - b,
    score: (a, b) => byScore(b, a) || a - b,
    unsure: (a, b) => byScore(a, b) || a - b,
    question: byQuestion,
    longest: (a, b) => byLength(b, a) || a - b,
    shortest: (a, b) => byLength(a, b) || a - b,
  };

  const select = () => {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const source = byId("source").value.toLowerCase().trim();
    const least = byId("score").value === "" ? -Infinity : Number(byId("score").value);
    shown = [];
    questions.forEach((question, index) => {
      if (question[SCORE] < least || !sources[question[DOCUMENT]].includes(source)) return;
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

  const shortened = (source) => (source.length > 48 ? `…${source.slice(-47)}` : source); // its end tells more

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

  // ---- the document: its text around the chosen passage, and the questions beside their passages

  const choose = (index) => {
    chosen = index;
    reveal();
    draw();
    const part = questions[index][PART];
    show(questions[index][DOCUMENT], part - AROUND, part + AROUND);
    text.scrollTop = text.querySelector(".chosen").offsetTop - text.clientHeight / 3;
  };

  const show = (index, from, to) => {
    const [source, parts] = documents[index];
    const first = Math.max(0, from), last = Math.min(parts.length, to + 1);
    const asked = new Map();
    questions.forEach((question, position) => {
      if (question[DOCUMENT] !== index) return;
      asked.set(question[PART], [...(asked.get(question[PART]) ?? []), position]);
    });
    const made = [element("h3", source)];
    if (first > 0) made.push(more("Show what is before", index, first - 2 * AROUND, to, true));
    for (let at = first; at < last; at++) made.push(part(parts[at], asked.get(at) ?? []));
    if (last < parts.length) made.push(more("Show what follows", index, from, last + 2 * AROUND));
    text.replaceChildren(...made);
  };

  const more = (label, index, from, to, isBefore) => {
    const button = element("button", label, "more");
    button.addEventListener("click", () => {
      const fromEnd = text.scrollHeight - text.scrollTop, fromStart = text.scrollTop;
      show(index, from, to);
      text.scrollTop = isBefore ? text.scrollHeight - fromEnd : fromStart; // what was read stays where it was
      text.focus({preventScroll: true});
    });
    return button;
  };

  const part = ([content, place], asked) => {
    const made = element("div", undefined, place ? "part asked" : "part between");
    if (asked.includes(chosen)) made.classList.add("chosen");
    const unknown = place ? "Its text is not in the table: see --with-context." : `${content.toLocaleString("en")} characters`;
    made.append(element("p", typeof content === "number" ? unknown : content));
    if (!place) return made;
    const beside = element("div"), items = element("ul");
    for (const position of asked) {
      const item = element("li"), button = element("button", questions[position][QUESTION]);
      button.dataset.index = position;
      if (position === chosen) button.setAttribute("aria-current", "true");
      if (questions[position][ANSWER]) button.append(element("small", ` ${questions[position][ANSWER]}`));
      item.append(button);
      items.append(item);
    }
    beside.append(items, element("small", place));
    made.append(beside);
    return made;
  };

  // ---- what a person does

  rows.addEventListener("click", (event) => {
    const hit = event.target.closest(".row");
    if (!hit) return;
    choose(Number(hit.dataset.index));
    if (text.offsetLeft === list.offsetLeft) list.scrollIntoView({block: "start"}); // narrow: see both
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
