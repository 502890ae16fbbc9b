// The limits that hold for all connections together, by the names that metrics and log have for them.

/** All label values of magdi_limits_reached_total{reason}, and what the log says. */
export const LIMITS = {
  connections:
    "maxConnections are open and in use: a further one is answered 503, except for /health and /ready",
  client_connections:
    "one address has its share of connections (clientShare): a further one is answered 429, except for /health and /ready; if the address is a proxy's, name it in trustProxy",
  idle_connection: "an idle connection was closed to make room for another",
  probe_connections: "a connection that may only ask /health and /ready was closed to make room for another",
  pipelined: "a client sent more requests on one connection than may be unanswered, and was cut off",
  websockets: "maxWebSockets are open: a further one was answered 503",
  client_websockets: "one address has its share of WebSockets (clientShare): a further one was answered 429",
  idle_websocket: "an idle WebSocket was closed to make room for another",
  silent_websocket: "a WebSocket that sent no message in time was closed",
  bodies:
    "bodies and messages that arrive take up bodyBufferBytes: a further one was refused with 503 or 1013",
  client_bodies:
    "one address's bodies and messages take up its share of bodyBufferBytes: a further one was refused with 429 or 1013",
  slow_body: "a body or message that had been arriving for long was dropped to make room for another",
  slow_message: "a WebSocket message did not arrive whole in time",
  message_parts: "a WebSocket message came in too many parts, or padded with too much else",
  control_frames: "a WebSocket sent too many pings and pongs",
  unread_answer: "a client that did not read its answer in time was cut off",
  unread_answers:
    "unread answers take up answerBufferBytes: the client that has not read for the longest was cut off",
  client_unread_answers:
    "one address's unread answers take up its share of answerBufferBytes: its client that has not read for the longest was cut off",
  descriptors: "a connection could not be accepted",
} as const;

export type Limit = keyof typeof LIMITS;
