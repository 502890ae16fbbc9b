// A request as a curl command for a POSIX shell. The API key is never in it, only the variable MAGDI_API_KEY.

/**
 * @param {string} url
 * @param {object} body
 * @param {boolean} withKey whether the server needs an API key
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
