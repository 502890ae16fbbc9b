// Types of an OpenAPI 3.1 document, as far as this project uses it.

/** JSON Schema 2020-12, as Zod writes it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export interface MediaType {
  schema?: JsonSchema;
  example?: unknown;
  examples?: Readonly<Record<string, { readonly summary?: string; readonly value: unknown }>>;
}

export interface ResponseObject {
  description: string;
  headers?: Readonly<Record<string, JsonSchema>>;
  content?: Record<string, MediaType>;
}

export interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: readonly Parameter[];
  requestBody?: { required?: boolean; description?: string; content: Record<string, MediaType> };
  responses: Record<string, ResponseObject>;
  security?: readonly Readonly<Record<string, readonly string[]>>[];
  "x-websocket"?: WebSocketProtocol;
}

export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: JsonSchema;
}

/** Frames of a WebSocket, which OpenAPI itself cannot describe. */
export interface WebSocketProtocol {
  readonly subprotocols: readonly string[];
  readonly receives: JsonSchema;
  readonly sends: JsonSchema;
}

export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description?: string };
  tags?: readonly { readonly name: string; readonly description?: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, JsonSchema>;
    headers?: Record<string, object>;
    securitySchemes?: Record<string, object>;
  };
}
