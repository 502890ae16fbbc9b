// The number formats in which a frozen base is trained on.

export const BASE_DTYPES = ["fp32", "fp16", "q8"] as const;
export type BaseDtype = (typeof BASE_DTYPES)[number];
