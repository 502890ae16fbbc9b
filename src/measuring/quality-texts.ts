// The texts that the quality of a student's dtypes is measured on; none of them is calibrated with.

/** Asked through the student's own chat template; float32's greedy answers are the reference. */
export const QUALITY_QUESTIONS: readonly string[] = [
  "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did Natalia sell altogether in April and May? Think step by step.",
  "Is the Great Wall of China longer than the Amazon river? Answer yes or no and explain.",
  "What is the capital of France?",
  "Which is heavier: a kilogram of feathers or a kilogram of iron?\nOptions:\n(A) feathers\n(B) iron\n(C) the same",
  'Write three words that rhyme with "light".',
  "Ünïcödé test — “quotes”, emoji 🙂🚀, 中文字符, and code `x = y[0]`.",
  "1, 1, 2, 3, 5, 8, what comes next?",
  "Explain photosynthesis in one sentence.",
  "If all bloops are razzies and all razzies are lazzies, are all bloops lazzies?",
  "A train travels 60 miles in 1.5 hours. What is its average speed?",
  "Translate to Spanish: The cat sleeps on the chair.",
  "   leading spaces\n\n\nand blank lines\t\ttabs",
];

/** Prose for perplexity, written for this purpose. */
export const QUALITY_PASSAGES: readonly string[] = [
  "The river rises in the hills above the old mill and runs south for thirty miles before it meets the sea. In spring the meltwater makes it loud and brown, and the farmers keep their cattle away from the banks until the water falls.",
  "A train leaves the station at nine in the morning and travels at sixty miles an hour. After two hours it has covered one hundred and twenty miles, and the passengers who wanted to read have long since fallen asleep.",
  "Plants take in carbon dioxide from the air and water from the soil. With the energy of sunlight they turn these into sugar, and they give off the oxygen that animals need to breathe.",
  "She opened the letter slowly, as if it might break. There were only four lines in it, written in a hand that she had not seen for eleven years, and she read them twice before she sat down.",
  "To make bread you need flour, water, salt and yeast. Mix them, knead the dough until it is smooth, let it rise in a warm place until it has doubled in size, and bake it in a hot oven for half an hour.",
  "The council met on Tuesday to discuss the new bridge. Most of the members agreed that it was needed, but they could not agree on who should pay for it, and the meeting ended without a decision.",
  "If a shop sells pencils in boxes of twelve and a school needs three hundred pencils, it must buy twenty-five boxes. If each box costs four dollars, the school will pay one hundred dollars in all.",
  "Sound travels more slowly than light. That is why you see the lightning before you hear the thunder, and why you can tell how far away a storm is by counting the seconds between them.",
];
