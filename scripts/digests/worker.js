// The program in workerd. A request's body has the options; the services `embedded` and `tiny` hold the models.
import { platformOf } from 'tetrad/workerd';
import { fetchDirectory } from './fetch-directory.js';
import { measure } from './program.js';

export default {
  async fetch(request, env) {
    const directory = (service) => fetchDirectory('http://models', (url, init) => service.fetch(url, init));
    try {
      const rows = await measure({ ...(await request.json()), platformOf, embedded: directory(env.embedded), tiny: directory(env.tiny), threads: [1] });
      return Response.json(rows);
    } catch (error) {
      return Response.json({ error: String(error.stack) }, { status: 500 });
    }
  },
};
