// A request as a line for a POSIX shell. It knows no key: who has one puts it into a variable.

/**
 * @param {string} url where the request goes
 * @param {object} body
 * @param {boolean} withKey whether the server asks for an API key, which the line takes from MAGDI_API_KEY
 */
export function curlLine(url, body, withKey) {
  const lines = [
    `curl ${quote(url)}`,
    ...(withKey ? ['-H "authorization: Bearer $MAGDI_API_KEY"'] : []),
    "-H 'content-type: application/json'",
    `-d ${quote(JSON.stringify(body))}`,
  ];
  return lines.join(" \\\n  ");
}

/** @param {string} text */
function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
