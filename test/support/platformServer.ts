/** A little HTTP server on this machine, in the place of a platform's own: what it is asked is remembered. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Asked {
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

export const platformServer = (
  answer: (asked: Asked, response: ServerResponse, nth: number) => void
): Effect.Effect<{ readonly origin: string; readonly asked: ReadonlyArray<Asked> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    const server = createServer((request, response) => {
      const one = { url: request.url ?? "", headers: request.headers }
      asked.push(one)
      answer(one, response, asked.length)
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
  })

export const json = (
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {}
): void => void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
