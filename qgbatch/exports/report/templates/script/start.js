// Everything is defined: show the first question that the address selects.

const narrow = matchMedia("(max-width: 50rem)"); // as in the style
const foldFilters = () => (byId("more-filters").open = !narrow.matches);
narrow.addEventListener("change", foldFilters);
foldFilters();
byId("bar").max = questions.length;
readAddress();
select();
