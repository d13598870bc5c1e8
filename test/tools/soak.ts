/**
 * Lets a program run for long, with everything going wrong now and then, and looks whether anything grows: `npm run soak`, or `npm run soak -- --minutes 2`.
 *
 * APIs are called through two authenticated clients, whose tokens live for seconds, come from a real authorization server and lie in files. Between them and the servers a proxy
 * fails, dawdles and hangs up. The servers run in a process of their own, so that only the client's is measured.
 */
import { FetchHttpClient, type HttpClient } from "@effect/platform"
import { Effect, Layer, Logger, Option, Redacted, Schedule, Stream } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import { setTimeout as after } from "node:timers/promises"
import { authorizationServer, machine } from "../../examples/support/authorizationServer.ts"
import { listen } from "../../examples/support/listen.ts"
import { protectedApi } from "../../examples/support/protectedApi.ts"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as Provider from "../../src/Provider.ts"
import * as ClientCredentials from "../../src/providers/ClientCredentials.ts"
import * as RefreshToken from "../../src/providers/RefreshToken.ts"
import * as TokenStore from "../../src/TokenStore.ts"
import { judge, plot, type Sample } from "./soaked.ts"

interface Addresses {
  readonly api: string
  readonly token: string
  /** Answers with a refresh token, as a login would bring it. */
  readonly login: string
  readonly clientId: string
  readonly clientSecret: string
}

// The servers

/** Of twenty requests two are answered with 503, one is hung up on, one is answered late. */
const faulty = (target: string) => {
  let nth = 0
  return listen(async (request, response) => {
    const turn = ++nth % 20
    if (turn === 3 || turn === 13) {
      request.resume()
      response.writeHead(503, { "retry-after": "0" }).end()
    } else if (turn === 7) request.socket.destroy()
    else {
      if (turn === 17) await after(400)
      const { headers, method, url } = request
      const onwards = http.request(target + url, { method: method!, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      request.pipe(onwards.on("error", () => response.destroy()))
    }
  })
}

const servers = Effect.gen(function* () {
  const clientSecret = crypto.randomUUID()
  const both = { grant_types: ["client_credentials", "refresh_token", "authorization_code"], response_types: ["code"] }
  const server = yield* authorizationServer({
    accessTokenSeconds: 8,
    // An answer that was lost would end the login, which is for other tests.
    rotates: false,
    clients: [
      {
        ...machine("soak", "client_secret_basic"),
        ...both,
        client_secret: clientSecret,
        redirect_uris: ["https://app.example/callback"]
      }
    ]
  })
  const api = yield* protectedApi(server.accepts)
  const login = yield* listen(async (_, response) => {
    response.end(await server.issueRefreshToken("soak", "api offline_access"))
  })
  const addresses: Addresses = {
    api: yield* faulty(api.url),
    token: `${yield* faulty(server.issuer)}/token`,
    login,
    clientId: "soak",
    clientSecret
  }
  console.log(JSON.stringify(addresses))
  yield* Effect.promise(() => once(process.stdin.resume(), "end"))
})

const serversElsewhere = Effect.acquireRelease(
  Effect.promise(async () => {
    const [script = ""] = process.argv.slice(1)
    const child = spawn(process.execPath, [...process.execArgv, script, "--servers"], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    const [line] = await once(child.stdout, "data")
    return { child, addresses: JSON.parse(String(line)) as Addresses }
  }),
  ({ child }) => Effect.sync(() => child.kill())
).pipe(Effect.map(({ addresses }) => addresses))

// The program

const seen = { calls: 0, ok: 0, unauthorized: 0, unavailable: 0, lost: 0, tokens: 0, failures: 0, unexpected: 0 }

const client = (
  provider: Provider.Provider<HttpClient.HttpClient | TokenStore.TokenStore>,
  { api }: Addresses,
  directory: string
) =>
  AuthenticatedHttpClient.layer({ origins: [api] }).pipe(
    Layer.provideMerge(Credentials.layer(provider)),
    Layer.provide(TokenStore.layerFile({ directory })),
    Layer.provide(FetchHttpClient.layer)
  )

/** Calls the API all the time, counts what comes of it, and what the credentials tell. */
const use = ({ api }: Addresses) =>
  Effect.gen(function* () {
    const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
    const credentials = yield* Credentials.Credentials
    const call = client.get(api).pipe(
      Effect.flatMap((response) => Effect.as(response.text, response.status)),
      Effect.match({
        onSuccess: (status) => {
          if (status === 200) seen.ok++
          else if (status === 401) seen.unauthorized++
          else if (status === 503) seen.unavailable++
          else seen.unexpected++
        },
        // The proxy hung up; a token that could not be renewed in time is none of the things that may happen.
        onFailure: ({ _tag }) =>
          void (_tag === "RequestError" || _tag === "ResponseError" ? seen.lost++ : seen.failures++)
      }),
      Effect.zipRight(Effect.sync(() => seen.calls++))
    )
    yield* Effect.forkScoped(Stream.runForEach(credentials.changes, () => Effect.sync(() => seen.tokens++)))
    return yield* Effect.all(
      Array.from({ length: 3 }, () => Effect.repeat(call, Schedule.spaced("100 millis"))),
      { concurrency: "unbounded" }
    )
  }).pipe(Effect.scoped)

const sample = (): Sample => {
  globalThis.gc!()
  globalThis.gc!()
  const resources = process.getActiveResourcesInfo()
  const timers = resources.filter((name) => name === "Timeout" || name === "Immediate").length
  return { heap: process.memoryUsage().heapUsed, handles: resources.length - timers, timers }
}

const soak = (minutes: number) =>
  Effect.gen(function* () {
    const addresses = yield* serversElsewhere
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-soak-"))),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
    )
    const settings = {
      tokenEndpoint: addresses.token,
      clientId: addresses.clientId,
      clientSecret: Redacted.make(addresses.clientSecret),
      scope: ["api"]
    }
    // A refresh token of its own for every renewal: the server's live for an hour, and a soak may take longer.
    const login = Provider.make({
      name: "Login",
      acquire: (need) =>
        Effect.flatMap(
          Effect.promise(() => fetch(addresses.login).then((answer) => answer.text())),
          (refreshToken) =>
            RefreshToken.make({ ...settings, scope: ["api", "offline_access"], refreshToken }).acquire({
              ...need,
              previous: Option.none()
            })
        )
    })
    for (const [name, provider] of [
      ["machine", ClientCredentials.make(settings).pipe(Provider.persisted("machine"))],
      ["person", login.pipe(Provider.persisted("person"))]
    ] as const) {
      const Live = client(provider, addresses, path.join(directory, name))
      yield* Effect.forkScoped(
        use(addresses).pipe(
          Effect.provide(Live),
          Effect.tapErrorCause((cause) => Effect.sync(() => (console.error(String(cause)), seen.unexpected++)))
        )
      )
    }
    const samples: Array<Sample> = []
    const wanted = 240
    const pause = Math.max(500, (minutes * 60_000) / wanted)
    const end = performance.now() + minutes * 60_000
    while (performance.now() < end) {
      yield* Effect.sleep(pause)
      samples.push(sample())
    }
    return samples
  }).pipe(Effect.scoped)

const report = (minutes: number, samples: ReadonlyArray<Sample>): boolean => {
  const shown = (name: keyof Sample, value: number) =>
    name === "heap" ? `${(value / 1_048_576).toFixed(1)} MiB` : value.toFixed(1)
  console.log(
    `\n${minutes} min, ${samples.length} samples, ${seen.calls} calls: ${seen.ok} answered, ${seen.tokens} tokens,`
  )
  console.log(`${seen.unavailable} × 503 and ${seen.lost} lost answers, as the proxy wanted it\n`)
  const judgements = judge(samples)
  for (const { after, allowed, before, growth, isFlat, name } of judgements) {
    console.log(`${name.padEnd(8)}${plot(samples.map((sample) => sample[name]))}`)
    const change = `${shown(name, before)} → ${shown(name, after)}, trend ${shown(name, growth)} (allowed ${shown(name, allowed)})`
    console.log(`        ${isFlat ? "flat" : "GROWS"}: ${change}\n`)
  }
  const verdicts: ReadonlyArray<readonly [string, boolean]> = [
    ["heap, handles and timers are flat", judgements.every(({ isFlat }) => isFlat)],
    [`tokens were renewed (${seen.tokens})`, seen.tokens > minutes * 4],
    [`the API was used (${seen.ok})`, seen.ok > seen.calls / 2],
    [`the program met no 401 (${seen.unauthorized})`, seen.unauthorized === 0],
    [`it was never without a token (${seen.failures})`, seen.failures === 0],
    [`nothing unexpected happened (${seen.unexpected})`, seen.unexpected === 0]
  ]
  for (const [what, holds] of verdicts) console.log(`${holds ? "✓" : "✗"} ${what}`)
  return verdicts.every(([, holds]) => holds)
}

if (process.argv.includes("--servers")) {
  await Effect.runPromise(Effect.scoped(servers))
} else {
  const at = process.argv.indexOf("--minutes")
  const minutes = at < 0 ? 60 : Number(process.argv[at + 1])
  if (!(minutes >= 0.25)) throw new Error("--minutes must be a number, at least 0.25")
  if (globalThis.gc === undefined) throw new Error("the collector of garbage is needed: run it as npm run soak")
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event, (error: unknown) => (console.error(error), seen.unexpected++))
  }
  console.log(`soaking for ${minutes} min …`)
  // That renewals fail is the point; what comes of it is counted.
  const samples = await Effect.runPromise(Effect.provide(soak(minutes), Logger.remove(Logger.defaultLogger)))
  process.exit(report(minutes, samples) ? 0 : 1)
}
