// GET /v1/reason/ws: many questions on one WebSocket, each answered frame by frame.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { takeRequest } from "../access/rate-limit.ts";
import { logPrompt } from "../observation/log-privacy.ts";
import { RequestTrace } from "../observation/request-trace.ts";
import type { RouteOptions } from "../serving-context.ts";
import { errorResponse } from "../transport/error-schema.ts";
import { errorBody } from "../transport/http-errors.ts";
import { CLOSE_CODES, SocketConnection } from "../transport/socket-connection.ts";
import type { OpenSockets } from "../transport/socket-upgrades.ts";
import { clientFrame, clientFrames, serverFrame } from "./frames.ts";
import { SocketSession } from "./session.ts";

export const REASON_SOCKET_PATH = "/v1/reason/ws";

const DESCRIPTION = `Many requests on one connection, each under an id that the client chooses: JSON text frames both ways.
Offer the subprotocol \`magdi\`; where no header can be set, offer the API key beside it as \`magdi.key.\` followed by the
key in base64url. A reader that leaves too much unread is closed with 1013; the server closes with 1001 when it shuts down,
with 1008 after too many frames that make no sense, and with 1009 after one that is too large.`;

export interface SocketRouteOptions extends RouteOptions {
  readonly sockets: OpenSockets;
}

export const reasonSocketRoute: FastifyPluginAsyncZod<SocketRouteOptions> = async (
  app,
  { context, config, sockets },
) => {
  const frames = clientFrames(config.maxSamples);
  app.route({
    method: "GET",
    url: REASON_SOCKET_PATH,
    config: {
      errors: ["MAGDI_BAD_REQUEST", "MAGDI_FORBIDDEN_ORIGIN", "MAGDI_SHUTTING_DOWN"],
      webSocket: { receives: clientFrame(frames), sends: serverFrame },
    },
    schema: {
      operationId: "reasonSocket",
      tags: ["Reasoning"],
      summary: "Answer questions over a WebSocket",
      description: DESCRIPTION,
      response: {
        426: {
          description: "The request asks for no upgrade to WebSocket.",
          content: { "application/json": { schema: errorResponse } },
        },
      },
    },
    async handler(_request, reply) {
      reply.code(426).headers({ upgrade: "websocket", connection: "upgrade" });
      return reply.send(
        errorBody(`${REASON_SOCKET_PATH} speaks WebSocket: upgrade`, "invalid_request_error", null),
      );
    },
    wsHandler(ws, request) {
      const connection = new SocketConnection(ws, request.raw.socket, {
        clock: context.clock,
        maxBufferedBytes: config.streamBufferBytes,
        pingMs: config.webSocketPingMs,
        onMessage: (text) => session.receive(text),
        onGone: () => session.end(),
      });
      const session = new SocketSession({
        context,
        caller: request.caller,
        frames,
        maxRequests: config.webSocketRequests,
        log: request.log,
        takeRequest: () => takeRequest(request),
        openTrace: () => {
          const parent = request.trace.place;
          const exchange = { method: "WS", route: REASON_SOCKET_PATH };
          return new RequestTrace(context.tracing?.start(exchange, parent) ?? null, parent);
        },
        onQuestion(asked) {
          if (config.logPrompts) logPrompt(request.log, asked);
        },
        send: (frame) => connection.send(frame),
        onNonsense: () => connection.close(CLOSE_CODES.policyViolation, "too many frames make no sense"),
      });
      sockets.add(connection);
    },
  });
};
