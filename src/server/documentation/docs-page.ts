// The page at /docs: Swagger UI over /openapi.json. Its scripts and style are files of its own, so that it runs offline
// and under the strictest policy.

/** Addresses are relative, for servers behind a path of a proxy. */
export const DOCS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>magdi: the API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="data:,">
</head>
<body>
<form id="key" hidden>
<label>This server needs an API key: <input id="key-value" type="password" autocomplete="off"></label>
<button>Open</button>
</form>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/docs.js"></script>
</body>
</html>
`;

/** Where keys are set, the document needs one like any other request; what is typed stays in the page. */
export const DOCS_SCRIPT = `const form = document.getElementById("key");
const value = document.getElementById("key-value");

async function open(key) {
  const headers = key === null ? {} : { authorization: "Bearer " + key };
  const response = await fetch("openapi.json", { headers });
  form.hidden = response.status !== 401;
  if (!response.ok) return;
  const ui = SwaggerUIBundle({
    spec: await response.json(),
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    validatorUrl: null,
    onComplete() {
      if (key !== null) ui.preauthorizeApiKey("bearer", key);
    },
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  open(value.value);
});
open(null);
`;

/** The files of Swagger UI that the page loads. */
export const SWAGGER_UI_FILES = ["swagger-ui.css", "swagger-ui-bundle.js"];
