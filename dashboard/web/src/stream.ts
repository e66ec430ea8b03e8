// Server-sent events over fetch(), which can show a key; EventSource cannot.

const keyName = 'shoal-key';

export class WrongKey extends Error {}

export function setKey(key: string): void {
  sessionStorage.setItem(keyName, key);
}

export async function ask(path: string, init: RequestInit = {}):
    Promise<Response> {
  const key = sessionStorage.getItem(keyName);
  const headers = new Headers(init.headers);
  if (key) headers.set('Authorization', `Bearer ${key}`);
  const response = await fetch(path, {...init, headers, cache: 'no-store'});
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  try {
    message = (await response.json()).error.message;
  } catch {
    // A proxy's own page, say.
  }
  throw response.status === 401 ? new WrongKey(message) : new Error(message);
}

// Calls `take` with each event until the stream ends. Throws if it breaks, or
// if nothing, no comment either, comes for `silence_ms`.
export async function readEvents(
    response: Response, take: (name: string, data: any) => void,
    silenceMs = 30_000): Promise<void> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    let timer = 0;
    const silence = new Promise<never>((_, reject) => {
      timer = window.setTimeout(
          () => reject(new Error('nothing came for long')), silenceMs);
    });
    let read;
    try {
      read = await Promise.race([reader.read(), silence]);
    } catch (error) {
      void reader.cancel().catch(() => {});
      throw error;
    } finally {
      clearTimeout(timer);
    }
    if (read.done) return;
    text += read.value;
    const pieces = text.split('\n\n');
    text = pieces.pop()!;
    for (const piece of pieces) {
      let name = '';
      let data = '';
      for (const line of piece.split('\n')) {
        if (line.startsWith('event: ')) name = line.slice(7);
        if (line.startsWith('data: ')) data += line.slice(6);
      }
      if (name) take(name, JSON.parse(data));
    }
  }
}
