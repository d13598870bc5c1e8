/** Stand-ins: servers on this machine that answer as somebody else's do. */
import type { Effect, Scope } from "effect"
import { text } from "node:stream/consumers"
import { listen } from "./listen.ts"

/** A request as the stand-in saw it. `origin` is where it was meant to go. */
export interface Seen {
  readonly method: string
  readonly origin: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body, where it is a form. */
  readonly form?: Readonly<Record<string, string>>
  /** The body, where it is JSON. */
  readonly json?: any
}

/** What the stand-in answers; default: 200, no body. */
export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly body?: string
}

/** The header that says where a request was meant to go, if it was sent here instead. */
export const meantFor = "x-meant-for"

/** Starts a stand-in that runs until the scope closes, and says where. */
export const standIn = (answer: (request: Seen) => Answer): Effect.Effect<string, never, Scope.Scope> =>
  listen(async (request, response) => {
    const body = await text(request)
    const { host, [meantFor]: origin, ...headers } = request.headers as Record<string, string>
    const url = new URL(request.url!, `http://${host}`)
    const type = headers["content-type"] ?? ""
    const {
      body: plain,
      headers: more,
      json,
      status = 200
    } = answer({
      method: request.method!,
      origin: origin ?? url.origin,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers,
      text: body,
      ...(type.includes("x-www-form-urlencoded") ? { form: Object.fromEntries(new URLSearchParams(body)) } : {}),
      ...(type.includes("json") && body !== "" ? { json: JSON.parse(body) } : {})
    })
    response.writeHead(status, { ...(json === undefined ? {} : { "content-type": "application/json" }), ...more })
    response.end(json === undefined ? plain : JSON.stringify(json))
  })

/** Whatever is asked for on the internet is asked of the stand-in, which is told where it was meant to go. */
export const reroute =
  (server: string): typeof fetch =>
  async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)) return fetch(input, init)
    const headers = new Headers(init?.headers)
    headers.set(meantFor, url.origin)
    const response = await fetch(server + url.pathname + url.search, { ...init, headers })
    Object.defineProperty(response, "url", { value: url.href })
    return response
  }
