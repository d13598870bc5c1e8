/** What stands before an HTTP server in many places: it ends TLS, and says in a header which certificate the client has shown (RFC 9440). */
import { Effect, type Scope } from "effect"
import type * as Http from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { listen } from "./listen.ts"

/** How the server shows who it is, and whose certificates it takes, all in PEM. */
export interface Options {
  readonly key: string
  readonly cert: string
  /** Authorities of client certificates, or such certificates themselves. Nobody else's connection stays open. */
  readonly clients: ReadonlyArray<string>
}

/** Serves until the scope closes, and says where: `https://localhost:…`. */
export const listenTls = (
  { cert, clients, key }: Options,
  handler: Http.RequestListener
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    /** What each connection has shown, by the port from which it is passed on. */
    const shown = new Map<number, Readonly<Record<string, string>>>()
    const inside = yield* listen((request, response) => {
      Object.assign(request.headers, { "x-forwarded-proto": "https" }, shown.get(request.socket.remotePort!))
      handler(request, response)
    })
    const server = Tls.createServer(
      { key, cert, ca: [...clients], requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["http/1.1"] },
      (socket) => {
        const { raw, subject } = socket.getPeerCertificate()
        const passedOn = Net.connect(Number(new URL(inside).port), "127.0.0.1", () => {
          shown.set(passedOn.localPort!, {
            "client-cert": `:${Buffer.from(raw).toString("base64")}:`,
            "x-client-subject": `CN=${subject.CN}`
          })
          socket.pipe(passedOn).pipe(socket)
        })
        const end = () => [socket, passedOn].forEach((side) => side.destroy())
        for (const side of [socket, passedOn]) side.on("error", end).on("close", end)
      }
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
    return yield* Effect.async<string>((resume) => {
      server.listen(0, "localhost", () => {
        resume(Effect.succeed(`https://localhost:${(server.address() as Net.AddressInfo).port}`))
      })
    })
  })
