// GET /v1/reason/ws: many questions on one WebSocket, each answered frame by frame.
import type { FastifyPluginAsyncZod } from "fastify-type-provider-zod";
import { takeRequest } from "../access/rate-limit.ts";
import { ReasonSession } from "../answering/reason-session.ts";
import { errorBody } from "../errors/http-errors.ts";
import { logPrompt } from "../observation/log-privacy.ts";
import { clientFrames } from "../schemas/reason-frames.ts";
import { CLOSE_CODES, SocketConnection } from "../transport/socket-connection.ts";
import type { OpenSockets } from "../transport/socket-upgrades.ts";
import type { RouteOptions } from "./route-options.ts";

export const REASON_SOCKET_PATH = "/v1/reason/ws";

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
    schema: { summary: "Answer questions over a WebSocket" },
    handler(_request, reply) {
      return reply
        .code(426)
        .headers({ upgrade: "websocket", connection: "upgrade" })
        .send(errorBody(`${REASON_SOCKET_PATH} speaks WebSocket: upgrade`, "invalid_request_error", null));
    },
    wsHandler(ws, request) {
      const connection = new SocketConnection(ws, request.raw.socket, {
        clock: context.clock,
        maxBufferedBytes: config.streamBufferBytes,
        pingMs: config.webSocketPingMs,
        onMessage: (text) => session.receive(text),
        onGone: () => session.end(),
      });
      const session = new ReasonSession({
        context,
        caller: request.caller,
        frames,
        maxRequests: config.webSocketRequests,
        log: request.log,
        takeRequest: () => takeRequest(request),
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
