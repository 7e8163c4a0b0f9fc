// Sends a file with OpenAI's own client, and prints what came of it as JSON: the text, or the error as the client
// has it, and how many requests it took.
import { createReadStream } from "node:fs";
import OpenAI from "openai";

const { BASE_URL, API_KEY, AUDIO, MODEL, FORMAT } = process.env;
let requests = 0;
const client = new OpenAI({
  baseURL: BASE_URL,
  apiKey: API_KEY,
  fetch: (...request) => {
    requests += 1;
    return fetch(...request);
  },
});
const told = {};
try {
  told.answer = await client.audio.transcriptions.create({
    file: createReadStream(AUDIO),
    model: MODEL,
    response_format: FORMAT || "json",
  });
} catch (error) {
  told.error = { kind: error.constructor.name, status: error.status, message: error.message, code: error.code };
}
console.log(JSON.stringify({ ...told, requests }));
