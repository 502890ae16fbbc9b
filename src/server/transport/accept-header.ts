// What a client asks for in its Accept header, as far as answers here differ by it. It knows no routes.

/** Whether an Accept header asks for HTML by name, and for JSON no more than that. Wildcards ask for neither. */
export function prefersHtml(accept: string | undefined): boolean {
  const quality = (type: string) => {
    for (const range of (accept ?? "").split(",")) {
      const [name = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
      if (name !== type) continue;
      const q = parameters.find((parameter) => parameter.startsWith("q="));
      return q === undefined ? 1 : Number(q.slice(2)) || 0;
    }
    return 0;
  };
  const html = quality("text/html");
  return html > 0 && html >= quality("application/json");
}
