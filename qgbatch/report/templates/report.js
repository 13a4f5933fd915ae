"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const {sources, passages, questions} = data;
  const byId = (id) => document.getElementById(id);
  const list = byId("list"), spacer = byId("spacer"), rows = byId("rows"), text = byId("text");
  const folded = questions.map((question) => question[1].toLowerCase());
  const ROW = 56;
  let shown = [], chosen = -1;

  const element = (name, content, className) => {
    const made = document.createElement(name);
    if (content !== undefined) made.textContent = content;
    if (className) made.className = className;
    return made;
  };

  sources.forEach((source, index) => {
    const option = element("option", source);
    option.value = index;
    byId("document").append(option);
  });

  const orders = {
    place: (a, b) => a - b,
    score: (a, b) => questions[b][2] - questions[a][2] || a - b,
    question: (a, b) => (folded[a] < folded[b] ? -1 : folded[a] > folded[b] ? 1 : a - b),
    length: (a, b) => questions[b][1].length - questions[a][1].length || a - b,
  };

  const select = () => {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const source = byId("document").value, least = byId("score").value;
    shown = [];
    for (let index = 0; index < questions.length; index++) {
      const [passage, , score] = questions[index];
      if (source !== "" && passages[passage][0] !== Number(source)) continue;
      if (least !== "" && score < Number(least)) continue;
      if (words.every((word) => folded[index].includes(word))) shown.push(index);
    }
    shown.sort(orders[byId("order").value]);
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${questions.length.toLocaleString("en")}`;
    spacer.style.height = `${shown.length * ROW}px`;
    list.scrollTop = 0;
    draw();
  };

  const draw = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 5);
    const last = Math.min(shown.length, first + Math.ceil(list.clientHeight / ROW) + 10);
    rows.style.top = `${first * ROW}px`;
    rows.replaceChildren(...shown.slice(first, last).map(row));
  };

  const row = (index) => {
    const [passage, question, score, answer] = questions[index];
    const made = element("div", undefined, "row");
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", index === chosen);
    made.dataset.index = index;
    const facts = `${score.toFixed(3)} · ${sources[passages[passage][0]]}${answer ? ` · ${answer}` : ""}`;
    made.append(element("p", question), element("small", facts));
    return made;
  };

  const show = (index) => {
    chosen = index;
    const source = passages[questions[index][0]][0];
    const asked = new Map();
    questions.forEach((question, position) => {
      if (passages[question[0]][0] !== source) return;
      if (!asked.has(question[0])) asked.set(question[0], []);
      asked.get(question[0]).push(position);
    });
    const parts = [element("h2", sources[source])];
    const order = [...asked.keys()].sort((a, b) => passages[a][1] - passages[b][1]);
    for (const passage of order) {
      const [, start, end, context, page] = passages[passage];
      const block = element("div", context || `characters ${start} to ${end}`, "passage");
      if (passage === questions[index][0]) block.classList.add("chosen");
      const items = element("ul");
      for (const position of asked.get(passage)) {
        const item = element("li", questions[position][1]);
        if (questions[position][3]) item.append(element("small", ` — ${questions[position][3]}`));
        items.append(item);
      }
      const place = element("small", `${page ? `page ${page}, ` : ""}characters ${start} to ${end}`);
      parts.push(block, place, items);
    }
    text.replaceChildren(...parts);
    text.querySelector(".chosen").scrollIntoView({block: "nearest"});
    draw();
  };

  const move = (by) => {
    if (!shown.length) return;
    const at = Math.min(shown.length - 1, Math.max(0, shown.indexOf(chosen) + by));
    if (at * ROW < list.scrollTop) list.scrollTop = at * ROW;
    if ((at + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (at + 1) * ROW - list.clientHeight;
    show(shown[at]);
  };

  rows.addEventListener("click", (event) => {
    const hit = event.target.closest(".row");
    if (hit) show(Number(hit.dataset.index));
  });
  list.addEventListener("scroll", draw);
  list.addEventListener("keydown", (event) => {
    const by = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10}[event.key];
    if (by) {
      event.preventDefault();
      move(by);
    }
  });
  for (const id of ["search", "document", "score", "order"]) byId(id).addEventListener("input", select);
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", draw);
  select();
  if (shown.length) show(shown[0]);
})();
