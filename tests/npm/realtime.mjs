// Streams 24 kHz PCM to a transcription session with OpenAI's own client, and prints what came of it as JSON: the text
// and the types of the events, or the error. TRANSPORT is `ws`, or `browser`: the client for browsers, which sends the
// key as a subprotocol. Node has their WebSocket from version 22 on; before it is that of ws.
import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { WebSocket } from "ws";

const { BASE_URL, API_KEY, PCM, TRANSPORT } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, dangerouslyAllowBrowser: true });
const asked = { intent: "transcription", dangerouslyAllowBrowser: true };
let session;
if (TRANSPORT === "browser") {
  globalThis.WebSocket ??= WebSocket;
  const { OpenAIRealtimeWebSocket } = await import("openai/realtime/websocket");
  session = new OpenAIRealtimeWebSocket(asked, client);
} else {
  const { OpenAIRealtimeWS } = await import("openai/realtime/ws");
  session = new OpenAIRealtimeWS(asked, client);
}
const told = { types: [], texts: [], deltas: "" };
const end = () => {
  console.log(JSON.stringify(told));
  process.exit(0);
};
session.on("error", (error) => {
  told.error = error.message;
  end();
});
session.on("event", ({ type }) => told.types.push(type));
session.on("session.created", () => {
  const input = { transcription: { model: "whisper-1" }, turn_detection: { type: "server_vad", silence_duration_ms: 500 } };
  session.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
  const audio = Buffer.concat([readFileSync(PCM), Buffer.alloc(48_000)]);
  for (let start = 0; start < audio.length; start += 4800) {
    session.send({ type: "input_audio_buffer.append", audio: audio.subarray(start, start + 4800).toString("base64") });
  }
  session.send({ type: "input_audio_buffer.clear" });
});
session.on("conversation.item.input_audio_transcription.delta", ({ delta }) => (told.deltas += delta));
session.on("conversation.item.input_audio_transcription.completed", ({ transcript }) => {
  told.texts.push(transcript);
  done();
});
session.on("input_audio_buffer.cleared", () => {
  told.cleared = true;
  done();
});
const done = () => {
  const committed = told.types.filter((type) => type === "input_audio_buffer.committed").length;
  if (told.cleared && told.texts.length === committed) {
    session.close();
    end();
  }
};
