/** An API that wants a bearer token, for examples and tests. */
import { Effect, type Scope } from "effect"
import { listen } from "./listen.ts"

/** A running API. */
export interface ProtectedApi {
  readonly url: string
  /** How many requests it has had so far. */
  readonly requests: () => number
  /** How many of them it has answered with 401. */
  readonly unauthorized: () => number
}

/** Starts an API that runs until the scope closes, and serves whoever brings a token that `accepts` knows (RFC 6750). */
export const protectedApi = (
  accepts: (accessToken: string) => Promise<boolean>
): Effect.Effect<ProtectedApi, never, Scope.Scope> =>
  Effect.gen(function* () {
    let requests = 0
    let unauthorized = 0
    const url = yield* listen(async (request, response) => {
      requests++
      const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "")?.[1]
      if (token !== undefined && (await accepts(token))) {
        response.writeHead(200, { "content-type": "application/json" }).end(`{"hello":"world"}`)
      } else {
        unauthorized++
        const challenge = token === undefined ? "Bearer" : `Bearer error="invalid_token"`
        response.writeHead(401, { "www-authenticate": challenge }).end()
      }
    })
    return { url, requests: () => requests, unauthorized: () => unauthorized }
  })
