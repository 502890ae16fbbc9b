// Examples of requests and responses in the OpenAPI document. A test checks each against its schema.

interface Example {
  /** By a short name. */
  readonly requests?: Readonly<Record<string, { readonly summary: string; readonly value: object }>>;
  readonly response?: unknown;
  /** The data of one event of the stream. */
  readonly event?: object;
}

const MODEL = "smollm2-135m-instruct";
const QUESTION = "Tom has 3 apples and buys 4 more. How many apples has he now?";

const votes = [
  { answer: "7", count: 4, weight: 4, share: 0.8 },
  { answer: "12", count: 1, weight: 1, share: 0.2 },
];

const modelObject = {
  id: MODEL,
  object: "model",
  created: 1_735_689_600,
  owned_by: "magdi",
  context_length: 4096,
  max_samples: 32,
  manifest: { base: "HuggingFaceTB/SmolLM2-135M-Instruct" },
  checked_files: ["config.json", "onnx/engine_q4.onnx", "onnx/model_q4.onnx_data"],
};

const baseline = {
  name: "gsm8k",
  tasks: ["math"],
  tokens: 642.3,
  student_tokens: 141.6,
  ratio: 4.54,
  source: "MAGDi, Tables 2 and 10: mean tokens a question, ReConcile and MAGDi on GSM8K",
};

const completionUsage = {
  prompt_tokens: 31,
  completion_tokens: 9,
  total_tokens: 40,
  prompt_tokens_details: { cached_tokens: 0 },
};

const completionHead = { created: 1_735_689_600, model: MODEL, system_fingerprint: "fp_3f1c2a", seed: 7 };

const DEBATE = "debate-5f0c8b527a3e4a639d5e0d2f6a1f9b7c";

const debateNode = {
  agent: "large",
  round: 0,
  answer: "7",
  confidence: 0.9,
  reasoning: "3 apples and 4 more are 7 apples.",
  refused: false,
  model: "large-1",
  finish_reason: "stop",
  prompt_tokens: 105,
  completion_tokens: 38,
  usd: 0.000039,
  ms: 1204,
};

/** By operationId. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  reason: {
    requests: {
      vote: { summary: "Five samples vote", value: { question: QUESTION, samples: 5, seed: 1 } },
      choices: {
        summary: "A multiple-choice question about a passage",
        value: {
          question: "Where does the fish live?",
          passage: "The fish had never seen the sun: its home was the deepest part of the ocean.",
          choices: ["in a river", "in the sea", "in an aquarium"],
          samples: 5,
          vote: "confidence",
        },
      },
      stream: { summary: "The same, streamed", value: { question: QUESTION, samples: 5, stream: true } },
      wave: {
        summary: "Three samples, and two more unless the three agree",
        value: { question: QUESTION, samples: 5, wave: 3 },
      },
      escalate: {
        summary: "Debated by the server's agents if fewer than three of five samples agree",
        value: { question: QUESTION, samples: 5, early_stop: "off", escalate: { below: 0.6 } },
      },
    },
    response: {
      id: "reason-5f0c8b52-7a3e-4a63-9d5e-0d2f6a1f9b7c",
      model: MODEL,
      task: "math",
      answer: "7",
      reasoning: "Tom has 3 apples and buys 4 more, so he has 3 + 4 = 7 apples. The answer is 7.",
      votes,
      decided_at: 5,
      stop_reason: "complete",
      usage: {
        prompt_tokens: 75,
        prompt_tokens_computed: 75,
        completion_tokens: 160,
        completion_tokens_discarded: 0,
        total_tokens: 235,
      },
      comparison: { baseline: "gsm8k", tokens: 642.3, ratio: 2.733, source: baseline.source },
      timing: {
        queue_ms: 0.6,
        prefill_ms: 168.9,
        decode_ms: 1023.1,
        first_token_ms: 170.5,
        total_ms: 1192.6,
        tokens_per_second: 156.4,
      },
      seed: 1,
    },
    event: { type: "vote", id: "reason-5f0c8b52-7a3e-4a63-9d5e-0d2f6a1f9b7c", votes, remaining: 0 },
  },
  debate: {
    requests: {
      debate: {
        summary: "A debate of at most two rounds",
        value: { question: QUESTION, rounds: 1, seed: 1 },
      },
      stream: { summary: "The same, streamed", value: { question: QUESTION, rounds: 1, stream: true } },
    },
    response: {
      id: DEBATE,
      model: "debate",
      task: "math",
      answer: "7",
      reasoning: "3 apples and 4 more are 7 apples.",
      votes: [{ answer: "7", count: 2, weight: 1.3, share: 1 }],
      stop_reason: "consensus",
      usage: {
        prompt_tokens: 210,
        completion_tokens: 71,
        total_tokens: 281,
        calls: 2,
        unreported_calls: 0,
        usd: 0.000074,
      },
      comparison: { baseline: "gsm8k", tokens: 642.3, ratio: 2.286, source: baseline.source },
      timing: { queue_ms: 0.1, total_ms: 1840.2 },
      seed: 1,
      debate: {
        rounds: 0,
        decided_in: 0,
        consensus: true,
        team: { rescaled: "7", majority: "7", mean_confidence: "7" },
        agents: [
          { name: "large", model: "large-1" },
          { name: "local", model: "other" },
        ],
        nodes: [
          debateNode,
          { ...debateNode, agent: "local", confidence: 0.8, model: "other", completion_tokens: 33, ms: 1839 },
        ],
        missing: [],
      },
    },
    event: { type: "node", id: DEBATE, node: debateNode },
  },
  listAgents: {
    response: {
      object: "list",
      data: [
        { name: "large", model: "large-1", usd_per_million_input: 0.15, usd_per_million_output: 0.6 },
        { name: "local", model: "other", usd_per_million_input: 0, usd_per_million_output: 0 },
      ],
      rounds: 3,
      timeout_ms: 120_000,
      allowed: true,
      budget: { usd_left: 1.95, tokens_left: null },
    },
  },
  vote: {
    requests: {
      texts: {
        summary: "Three texts, one with weight 2",
        value: {
          question: QUESTION,
          samples: [
            { text: "3 + 4 = 7. The answer is 7." },
            { text: "He has $7.00", weight: 2 },
            { text: "The answer is 12." },
          ],
        },
      },
    },
    response: {
      task: "math",
      answer: "7",
      votes: [
        { answer: "7", count: 2, weight: 3, share: 0.75 },
        { answer: "12", count: 1, weight: 1, share: 0.25 },
      ],
      tied: false,
      samples: [{ answer: "7" }, { answer: "7" }, { answer: "12" }],
    },
  },
  createChatCompletion: {
    requests: {
      chat: {
        summary: "Two choices for one conversation",
        value: {
          messages: [
            { role: "system", content: "Answer in one sentence." },
            { role: "user", content: "Why is the sky blue?" },
          ],
          n: 2,
          temperature: 0.7,
          max_tokens: 60,
          seed: 7,
        },
      },
    },
    response: {
      id: "chatcmpl-8f4e1f3a",
      object: "chat.completion",
      ...completionHead,
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Air scatters blue light most.", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: completionUsage,
    },
    event: {
      id: "chatcmpl-8f4e1f3a",
      object: "chat.completion.chunk",
      ...completionHead,
      choices: [{ index: 0, delta: { content: "Air" }, logprobs: null, finish_reason: null }],
    },
  },
  createCompletion: {
    requests: {
      text: { summary: "Continue a text", value: { prompt: "The sky is", max_tokens: 16, stop: ["\n"] } },
      batch: { summary: "Several prompts", value: { prompt: ["One, two,", "Red, green,"], max_tokens: 4 } },
    },
    response: {
      id: "cmpl-8f4e1f3a",
      object: "text_completion",
      ...completionHead,
      choices: [{ index: 0, text: " blue.", logprobs: null, finish_reason: "stop" }],
      usage: completionUsage,
    },
    event: {
      id: "cmpl-8f4e1f3a",
      object: "text_completion",
      ...completionHead,
      choices: [{ index: 0, text: " blue", logprobs: null, finish_reason: null }],
    },
  },
  listModels: { response: { object: "list", data: [modelObject] } },
  getModel: { response: modelObject },
  tokenize: {
    requests: {
      text: { summary: "A text", value: { prompt: "The sky is blue." } },
      chat: {
        summary: "A conversation, rendered with the chat template",
        value: { messages: [{ role: "user", content: "Hello" }], return_token_strs: true },
      },
    },
    response: { tokens: [504, 6376, 314, 4461, 30], count: 5, max_model_len: 4096, token_strs: null },
  },
  detokenize: {
    requests: { tokens: { summary: "Five tokens", value: { tokens: [504, 6376, 314, 4461, 30] } } },
    response: { prompt: "The sky is blue." },
  },
  listBaselines: { response: { object: "list", data: [baseline], mean: null } },
  health: { response: { status: "ok" } },
  ready: { response: { status: "ready" } },
  index: { response: { name: "magdi", model: MODEL, endpoints: ["POST /v1/reason", "GET /v1/models"] } },
};
