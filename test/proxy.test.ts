/** The example with a proxy, a private authority and a client certificate, run by this runtime as it comes. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { certified } from "../examples/support/certificates.ts"
import { listenTls } from "../examples/support/listenTls.ts"
import * as Program from "./support/program.ts"

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..")
const name = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node"

/** A proxy that opens tunnels and remembers where to. */
const proxy = Effect.gen(function* () {
  const tunnels: Array<string> = []
  const sockets = new Set<net.Socket>()
  const server = http.createServer((_, response) => response.writeHead(400).end())
  server.on("connect", (request: http.IncomingMessage, socket: net.Socket) => {
    const [host, port] = request.url!.split(":")
    tunnels.push(host!)
    const out = net.connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
      socket.pipe(out).pipe(socket)
    })
    for (const side of [socket, out]) {
      sockets.add(side)
      side.on("error", () => [socket, out].forEach((either) => either.destroy()))
    }
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        sockets.forEach((socket) => socket.destroy())
        server.close()
      })
  )
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, tunnels }
})

it.scopedLive(
  "requests for tokens and requests to the API take proxy, authority and certificate from the one HttpClient (U77)",
  () =>
    Effect.gen(function* () {
      const server = certified("localhost")
      const client = certified("me")
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-"))),
        (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
      )
      const file = (name: string, text: string) => {
        fs.writeFileSync(path.join(folder, name), text)
        return path.join(folder, name)
      }
      const seen: Array<string> = []
      const url = yield* listenTls({ ...server, clients: [client.cert] }, (request, response) => {
        seen.push(`${request.url} ${request.headers["x-client-subject"]}`)
        response.writeHead(200, { "content-type": "application/json" })
        response.end(
          request.url === "/token"
            ? JSON.stringify({ access_token: "c4nary", token_type: "Bearer", expires_in: 60 })
            : JSON.stringify({ authorized: request.headers.authorization === "Bearer c4nary" })
        )
      })
      const { tunnels, url: proxyUrl } = yield* proxy
      const { NO_PROXY: _, no_proxy: __, ...inherited } = process.env
      const out = yield* Effect.async<string>((resume) => {
        const [program, args] = Program.command(`examples/proxy-and-certificates/${name}.ts`)
        const child = execFile(
          program,
          args,
          {
            cwd: root,
            timeout: 40_000,
            env: {
              ...inherited,
              PROXY_URL: proxyUrl,
              CA_FILE: file("ca.pem", server.cert),
              CERT_FILE: file("cert.pem", client.cert),
              KEY_FILE: file("key.pem", client.key),
              TOKEN_URL: `${url}/token`,
              API_URL: `${url}/api`,
              CLIENT_ID: "me",
              CLIENT_SECRET: "s3cret",
              SCOPE: "api"
            }
          },
          (_, out, err) => resume(Effect.succeed(out + err))
        )
        return Effect.sync(() => child.kill())
      })
      assert.include(out, `the API answered 200: {"authorized":true}`, out)
      assert.notInclude(out, "c4nary")
      assert.deepStrictEqual(seen, ["/token CN=me", "/api CN=me"])
      assert.isAtLeast(tunnels.length, 1)
      assert.deepStrictEqual([...new Set(tunnels)], ["localhost"])
    }),
  60_000
)
