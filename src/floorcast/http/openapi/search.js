// Shows only the methods and types that contain every word of the search.
const field = document.querySelector("nav input");
const none = document.querySelector("nav .none");
const links = [...document.querySelectorAll("nav a")];
const articles = [...document.querySelectorAll("main article")].map((article) => ({
  article,
  link: links.find((link) => link.hash === `#${article.id}`),
  text: article.textContent.toLowerCase(),
}));
document.querySelector("nav .search").hidden = false;

function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { article, link, text } of articles) {
    const hidden = !words.every((word) => text.includes(word));
    article.hidden = hidden;
    if (link) link.parentElement.hidden = hidden;
    found += !hidden;
  }
  none.hidden = found > 0;
}

field.addEventListener("input", search);
field.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    field.value = "";
    search();
  }
});
search(); // the browser restores the field when the user navigates back
