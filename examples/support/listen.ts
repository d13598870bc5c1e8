/** An HTTP server on a loopback port that the system chooses. */
import { Effect, type Scope } from "effect"
import * as Http from "node:http"

/** Serves until the scope closes, and says where: `http://127.0.0.1:…`, or `http://[::1]:…`. */
export const listen = (
  handler: Http.RequestListener,
  host: "127.0.0.1" | "::1" = "127.0.0.1"
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Http.Server>((resume) => {
      const server = Http.createServer(handler)
      server.once("error", (error) => resume(Effect.die(error)))
      server.listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return `http://${host === "::1" ? "[::1]" : host}:${typeof address === "object" ? address?.port : address}`
    })
  )
