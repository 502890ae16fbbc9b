// Where a sentence ends: at a full stop that does not abbreviate. It knows no numbers.

/** Stands in a pattern before a full stop: "Mrs. Rylan" goes on. */
export const NO_ABBREVIATION = String.raw`(?<!\b(?:Mr|Mrs|Ms|Dr|Prof|St|Mt|Jr|Sr|vs))`;
