// What is printed: the questions of the list that are not dropped, by document, and their answers at the end.

const MAX_PRINTED = 5000; // questions
const printed = byId("printed");

const fillPrinted = () => {
  const all = shown.filter((index) => states[index] !== DROPPED).sort((a, b) => a - b);
  const some = all.slice(0, MAX_PRINTED), asking = element("section"), answering = element("section", undefined, "answers");
  answering.append(element("h2", "Answers"));
  let number = 0;
  for (const [place, indices] of byDocument(some)) {
    const lines = element("ol"), answers = element("ol");
    lines.start = answers.start = number + 1;
    for (const index of indices) {
      number += 1;
      lines.append(element("li", questionOf(index)));
      answers.append(answerLine(index));
    }
    asking.append(element("h2", documents[place][0]), lines);
    answering.append(element("h3", documents[place][0]), answers);
  }
  if (some.length < all.length) asking.append(element("p", `Only the first ${counted(some.length, "question")} of ${all.length.toLocaleString("en")} are printed.`));
  if (!some.length) asking.append(element("p", "No question to print."));
  printed.replaceChildren(asking, ...(some.length ? [answering] : []));
};

const byDocument = (indices) => {
  const groups = new Map();
  for (const index of indices) {
    const at = questions[index][DOCUMENT];
    if (groups.has(at)) groups.get(at).push(index);
    else groups.set(at, [index]);
  }
  return groups;
};

const answerLine = (index) => {
  const [at, segment] = questions[index], line = element("li", answerOf(index));
  line.append(element("small", ` ${documents[at][1][segment][1]}`));
  return line;
};

addEventListener("beforeprint", fillPrinted);
addEventListener("afterprint", () => printed.replaceChildren());
byId("print").addEventListener("click", () => print());
