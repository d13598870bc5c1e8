/** What the adapters make of their libraries, so that all can be driven alike. */

/** Where tokens come from. */
export interface Server {
  /** Speaks client credentials and refresh tokens, without TLS. */
  readonly tokenEndpoint: string
  /** What sends: the runtime's own, or something in memory. */
  readonly fetch: typeof globalThis.fetch
  /** How long before its end a token is replaced, in milliseconds, where the library lets a program choose. */
  readonly ahead: number
}

/** One set of credentials, with whatever cache the library gives it. */
export interface Connection {
  /** The value of the header `authorization`. */
  readonly header: () => Promise<string>
  /** Its HTTP client, where the library has one of its own. Each sends a GET, reads the answer and gives its status. */
  readonly client?: {
    readonly name: string
    readonly plain: (url: string) => Promise<number>
    readonly authenticated: (url: string) => Promise<number>
  }
}

/** A library that looks after tokens. */
export interface Peer {
  readonly name: string
  readonly connect: (server: Server) => Connection
  /** Why it is not asked to replace tokens that live 2 seconds, if it cannot. */
  readonly notRotating?: string
}

/** What a program says who it is. */
export const client = { id: "bench", secret: "bench-s3cret" } as const

interface Issued {
  readonly accessToken: string
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

/** Client credentials as a program sends them by hand, for libraries that leave this to others. */
export const request = async ({ fetch, tokenEndpoint }: Server): Promise<Issued> => {
  const response = await fetch(tokenEndpoint, {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: client.id,
      client_secret: client.secret
    }).toString()
  })
  const { access_token, expires_in } = (await response.json()) as {
    readonly access_token: string
    readonly expires_in: number
  }
  return { accessToken: access_token, expiresAt: Date.now() + expires_in * 1_000 }
}
