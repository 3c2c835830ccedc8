// Shows only the methods and types that contain every word of the search, without the
// introduction.
const field = document.querySelector("nav input");
const found = document.querySelector("nav .found");
const about = document.querySelector("main .about");
const links = [...document.querySelectorAll("nav a")];
const articles = [...document.querySelectorAll("main article")].map((article) => ({
  article,
  link: links.find((link) => link.hash === `#${article.id}`),
  text: article.textContent.toLowerCase(),
}));
document.querySelector("nav .search").hidden = false;

let place = 0; // where the reader was before the search, px

function isSearching() {
  return document.body.classList.contains("searching");
}

function find() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const { article, link, text } of articles) {
    const hidden = !words.every((word) => text.includes(word));
    article.hidden = hidden;
    if (link) link.parentElement.hidden = hidden;
    matches += !hidden;
  }
  about.hidden = words.length > 0;
  document.body.classList.toggle("searching", words.length > 0);
  const count = `${matches || "No"} ${matches === 1 ? "match" : "matches"}`;
  found.textContent = isSearching() ? count : "";
}

// A search shows its first match. After the search, the reader is back at the same place or, if the
// reader has scrolled through the matches, still at the same match.
function search() {
  const [wasSearching, y] = [isSearching(), scrollY];
  const top = ({ article }) => article.getBoundingClientRect().top;
  const seen = articles.find(({ article }) => article.getBoundingClientRect().bottom > 0);
  const offset = seen && top(seen);
  find();
  if (isSearching()) {
    if (!wasSearching) place = y;
    scrollTo(0, 0);
  } else if (wasSearching) {
    if (y === 0 || !seen) scrollTo(0, place);
    else scrollBy(0, top(seen) - offset);
  }
}

// A link may lead to something that the search hides.
function reveal(hash) {
  const target = document.getElementById(hash.slice(1));
  if (!target || target.checkVisibility()) return;
  field.value = "";
  find();
  target.scrollIntoView();
}

field.addEventListener("input", search);
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    articles.find(({ article }) => !article.hidden)?.article.scrollIntoView();
  } else if (event.key === "Escape") {
    field.value = "";
    search();
  }
});
addEventListener("click", ({ target }) => reveal(target.closest("a")?.hash ?? ""));
addEventListener("hashchange", () => reveal(location.hash));
find(); // the browser restores the field when the user navigates back
