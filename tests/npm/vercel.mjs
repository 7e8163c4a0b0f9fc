// What the OpenAI provider of Vercel's AI SDK makes of a file, as JSON by model: text, language and segments, or the
// error. With any option it asks for segments of every model, and with those of GPT-4o for json, which has none.
import { readFileSync } from "node:fs";
import { createOpenAI } from "@ai-sdk/openai";

const { BASE_URL, API_KEY, AUDIO } = process.env;
const openai = createOpenAI({ baseURL: BASE_URL, apiKey: API_KEY });
const options = {
  language: { language: "en" },
  words: { timestampGranularities: ["word"] },
  logprobs: { include: ["logprobs"] },
};
const told = {};
for (const model of ["gpt-4o-transcribe", "gpt-4o-mini-transcribe", "whisper-1"]) {
  for (const [name, openaiOptions] of Object.entries(options)) {
    const asked = { audio: readFileSync(AUDIO), mediaType: "audio/wav", providerOptions: { openai: openaiOptions } };
    try {
      const { text, language, segments, response } = await openai.transcription(model).doGenerate(asked);
      told[`${model} ${name}`] = { text, language, segments, warning: response.headers["x-warning"] };
    } catch (error) {
      told[`${model} ${name}`] = { error: error.message };
    }
  }
}
console.log(JSON.stringify(told));
