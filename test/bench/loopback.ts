/** A token endpoint and an API on loopback: what both saw is at `/counts`. */
import * as http from "node:http"
import type { AddressInfo } from "node:net"

/** What they are to be like. */
export interface Settings {
  /** How long a token request takes, in milliseconds. */
  readonly takes: number
  /** How long a token lives, in seconds. */
  readonly lives: number
}

/** What they saw. */
export interface Counts {
  readonly tokens: number
  readonly answered: number
  /** Answered with a 401. */
  readonly refused: number
}

/** A token that the API never refuses. */
export const eternal: string = `${Number.MAX_SAFE_INTEGER}-`.padEnd(700, "t")

/** When a request left, in milliseconds since 1970: with this header, a token is judged by that moment and not by the one of its arrival. */
export const sentAt = "x-sent-at"

/** Listens, until the process ends or `close`. Tokens have 700 characters and begin with the moment when they expire. */
export const listen = async ({
  lives,
  takes
}: Settings): Promise<{ readonly origin: string; readonly close: () => void }> => {
  const counts = { tokens: 0, answered: 0, refused: 0 }
  const json = (response: http.ServerResponse, body: unknown) => {
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify(body))
  }
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume()
    if (request.url === "/counts") return json(response, counts)
    if (request.method === "POST") {
      const n = ++counts.tokens
      setTimeout(() => {
        const access_token = `${Date.now() + lives * 1_000}-${n}-`.padEnd(700, "t")
        json(response, { access_token, token_type: "Bearer", expires_in: lives })
      }, takes)
      return
    }
    const expiry = Number.parseInt((request.headers.authorization ?? "").replace(/^Bearer /, ""), 10) || 0
    const isValid = Number(request.headers[sentAt] ?? Date.now()) < expiry
    counts[isValid ? "answered" : "refused"]++
    if (!isValid) {
      response.statusCode = 401
      response.setHeader("www-authenticate", "Bearer")
    }
    json(response, {})
  })
  // Ten thousand may come at once.
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 65_535 }, () => resolve()))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** What the server at this origin has seen so far. */
export const countsOf = async (origin: string): Promise<Counts> => (await fetch(`${origin}/counts`)).json()
