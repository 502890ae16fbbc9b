// How well answers are read out of recorded outputs of language models: agreement with the answers that were recorded
// with them. Where the two differ, it says what can be told of the text alone.
export {};
