// Where sentences end: not behind abbreviations such as "Gen." and not behind the initials of a name.

/** Matches before a full stop that ends a sentence, and not before that of an abbreviation such as "Mrs." */
export const NO_ABBREVIATION = String.raw`(?<!\b(?:Mr|Mrs|Ms|Dr|Prof|St|Ste|Mt|Ft|Jr|Sr|vs|Gen|Col|Lt|Capt|Sgt|Maj|Adm|Cpl|Cmdr|Gov|Sen|Rep|Pres|Hon|Rev|Fr|Messrs|Mme|Mlle|Vol|Op|Bros|Ph|cf|ca|No(?=\.\s\d)|Nos(?=\.\s\d)|pp?(?=\.\s\d)|Fig(?=\.\s\d)|Ch(?=\.\s\d)|Rs(?=\.\s\d)))`;

/** A full stop behind a capital letter that stands alone, or behind another initial. */
const INITIAL = /(?:^|[\s("'“‘.-])(\p{Lu})$/u;
/** Capitalised words that begin sentences and no surnames. */
const OPENER =
  /^(?:The|This|That|These|Those|It|Its|He|She|They|We|You|I|There|Here|So|Thus|Hence|Therefore|However|But|And|Or|Because|Since|As|If|When|While|For|In|On|At|By|To|From|With|A|An|Note|Also|First|Then|Next|Finally|Let|To|My|Our|His|Her|Their|All|Both|Each|Only|Option|Choice|Answer|Not|No|Yes|Now|Given|Adding|Using|Step|Done|Wait|Among|Although)\b/;
/** What a letter names otherwise: "Vitamin C. Oranges …". */
const NAMED_BY_LETTER =
  /\b(?:Vitamin|Vitamins|Plan|Type|Option|Choice|Answer|Grade|Group|Class|Hepatitis|Appendix|Section|Part|Point|Line|Figure|Team|Column|Row|Statement|Box|Bag|Jar|Store|Train|Car|Angle|Set|Case)\s\p{Lu}$/iu;
/** A surname, with what may stand behind it when the name is all that is said. */
const SURNAME =
  /^(?:\p{Lu}\.\s?)*\p{Lu}[\p{L}'’-]+(?:\s(?:\p{Lu}\.|\p{Lu}[\p{L}'’-]+|Jr\.)){0,3}(?=["'”’)\]*]*(?:$|[.,;:!?\n]|\s(?:was|is|who|and|in|because|as|since|for|by|wrote|became|from|of|with|\()))/u;
const ONLY_SURNAME = /^(?:\p{Lu}\.\s?)*\p{Lu}[\p{L}'’-]+(?=["'”’)\]*]*(?:$|[.!?,](?:\s|$)))/u;

/** Whether the full stop at `stop` belongs to an initial, as in H. G. Wells, Harry S. Truman and U.S. Grant. */
export function isInitial(text: string, stop: number): boolean {
  if (text[stop] !== ".") return false;
  const before = text.slice(Math.max(0, stop - 24), stop);
  const initial = INITIAL.exec(before);
  if (initial === null || NAMED_BY_LETTER.test(before)) return false;
  const after = text.slice(stop + 1, stop + 80).trimStart();
  // Another initial: H. G. …
  if (/^\p{Lu}\.(?=\s?\p{Lu})/u.test(after)) return true;
  if (OPENER.test(after)) return false;
  const front = before.slice(0, -1);
  const isLater = /\p{Lu}\.\s?$/u.test(front) || /(?:^|\s)\p{Lu}\p{L}+\s$/u.test(front);
  return (isLater ? SURNAME : ONLY_SURNAME).test(after);
}
