// The shell variables have the address of this server, which the static page cannot know.
const variables = document.querySelector("main .about pre code");
variables.textContent = variables.textContent.replace(/^URL=.*/, `URL=${location.origin}`);
