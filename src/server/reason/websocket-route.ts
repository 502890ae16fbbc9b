// GET /v1/reason/ws: concurrent questions on one WebSocket, each streamed as frames.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { networkOf } from "../access/client-network.ts";
import { takeRequest } from "../access/rate-limit.ts";
import type { RouteOptions } from "../app-context.ts";
import { logPrompt } from "../observation/log-privacy.ts";
import { RequestTrace } from "../observation/request-trace.ts";
import { errorResponse } from "../transport/error-schema.ts";
import { errorBody } from "../transport/http-errors.ts";
import { CLOSE_CODES, WebSocketConnection } from "../transport/websocket-connection.ts";
import { clientFrame, clientFrames, serverFrame } from "./frames.ts";
import { WebSocketSession } from "./websocket-session.ts";

export const REASON_WEBSOCKET_PATH = "/v1/reason/ws";

const DESCRIPTION = `Concurrent requests on one connection, each with an id that the client chooses, as JSON text frames in
both directions. Offer the subprotocol \`magdi\`; a client that cannot set headers also offers its API key, as
\`magdi.key.\` followed by the key in base64url. The server closes with 1013 if the client reads too slowly, 1001 when it
shuts down, 1008 after too many invalid frames, or frames that take too long or come in too many parts, and 1009 after a
frame that is too large. It closes with 1013 too when it lacks room for what has arrived, or for others. Without API keys,
a connection that sends no frame at all in \`receiveTimeoutMs\` is closed with 1008.`;

export const reasonWebSocketRoute: FastifyPluginAsyncZod<RouteOptions> = async (
  app,
  { context, sockets, bodyBudget, limits },
) => {
  const { config } = context;
  const frames = clientFrames(config);
  app.route({
    method: "GET",
    url: REASON_WEBSOCKET_PATH,
    config: {
      errors: [
        "MAGDI_BAD_REQUEST",
        "MAGDI_FORBIDDEN_ORIGIN",
        "MAGDI_TOO_MANY_REQUESTS",
        "MAGDI_OVERLOADED",
        "MAGDI_SHUTTING_DOWN",
      ],
      webSocket: { receives: clientFrame(frames), sends: serverFrame },
    },
    schema: {
      operationId: "reasonSocket",
      tags: ["Reasoning"],
      summary: "Answer questions over a WebSocket",
      description: DESCRIPTION,
      response: {
        426: {
          description: "The request is not a WebSocket upgrade.",
          content: { "application/json": { schema: errorResponse } },
        },
      },
    },
    async handler(_request, reply) {
      reply.code(426).headers({ upgrade: "websocket", connection: "upgrade" });
      return reply.send(
        errorBody(
          `${REASON_WEBSOCKET_PATH} is a WebSocket endpoint: send an upgrade request`,
          "invalid_request_error",
          null,
        ),
      );
    },
    wsHandler(ws, request) {
      const connection = new WebSocketConnection(ws, request.raw.socket, {
        clock: context.clock,
        maxBufferedBytes: config.streamBufferBytes,
        pingMs: config.webSocketPingMs,
        messages: {
          budget: bodyBudget,
          client: networkOf(request.ip),
          limits,
          messageTimeoutMs: config.receiveTimeoutMs,
          // Whoever has a key may be silent.
          firstMessageTimeoutMs: app.apiKeys === null ? config.receiveTimeoutMs : null,
        },
        onMessage: (text) => session.receive(text),
        onClosing: () => session.end(),
      });
      const session = new WebSocketSession({
        context,
        caller: request.caller,
        frames,
        maxRequests: config.webSocketRequests,
        log: request.log,
        takeRequest: () => takeRequest(request),
        openTrace: () => {
          const parent = request.trace.context;
          const exchange = { method: "WS", route: REASON_WEBSOCKET_PATH };
          return new RequestTrace(context.tracing?.start(exchange, parent) ?? null, parent);
        },
        onQuestion(question) {
          if (config.logPrompts) logPrompt(request.log, question);
        },
        onBusy: (busy) => setBusy(busy),
        send: (frame) => connection.send(frame),
        onTooManyInvalidFrames: () =>
          connection.close(CLOSE_CODES.policyViolation, "too many invalid frames"),
      });
      const setBusy = sockets.add(request.raw, connection);
    },
  });
};
