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

function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const { article, link, text } of articles) {
    const hidden = !words.every((word) => text.includes(word));
    article.hidden = hidden;
    if (link) link.parentElement.hidden = hidden;
    matches += !hidden;
  }
  const isSearching = words.length > 0;
  about.hidden = isSearching;
  document.body.classList.toggle("searching", isSearching);
  const count = `${matches || "No"} ${matches === 1 ? "match" : "matches"}`;
  found.textContent = isSearching ? count : "";
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
search(); // the browser restores the field when the user navigates back
