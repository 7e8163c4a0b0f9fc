// What OpenAI's own client makes of the whole audio surface, as JSON: a stream's events, words, logprobs, a
// translation, lists and objects as parameters, and errors as it has them.
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const { BASE_URL, API_KEY, AUDIO, MODEL } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const told = {};

async function tell(name, what) {
  try {
    told[name] = await what();
  } catch (error) {
    told[name] = { error: error.constructor.name, status: error.status, param: error.param, message: error.message };
  }
}

const transcribe = (more) =>
  client.audio.transcriptions.create({ file: createReadStream(AUDIO), model: MODEL, ...more });

await tell("events", async () => {
  const events = [];
  for await (const event of await transcribe({ stream: true })) {
    events.push(event);
  }
  return events;
});
await tell("verbose", () =>
  transcribe({
    response_format: "verbose_json",
    timestamp_granularities: ["word", "segment"],
    languages: ["en", "fr"],
    keywords: ["Americans", "country"],
    chunking_strategy: { type: "server_vad", threshold: 0.4, prefix_padding_ms: 300 },
  }),
);
await tell("logprobs", () => transcribe({ include: ["logprobs"] }));
await tell("translation", () =>
  client.audio.translations.create({ file: createReadStream(AUDIO), model: MODEL, response_format: "verbose_json" }),
);
await tell("vad", () => transcribe({ chunking_strategy: { type: "server_vad", threshold: 2 } }));
await tell("diarized", () => transcribe({ response_format: "diarized_json", chunking_strategy: "auto", stream: true }));
console.log(JSON.stringify(told));
