import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { Failure, Loading } from '../../ui/states';
import { TextLink } from '../../ui/TextLink';
import { EventDetail } from './EventDetail';
import { eventQuery } from './api';

const route = getRouteApi('/_app/events/$seq');

/** One event on its own page, for links. */
export function EventPage() {
  const { seq } = route.useParams();
  const { data, error, refetch } = useQuery(eventQuery(seq));
  return (
    <div className="page">
      <TextLink to="/events" size="sm">
        Audit log
      </TextLink>
      {error && <Failure error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Loading />}
      {data && (
        <div className="panel" style={{ padding: '1.1rem 1.25rem 1.5rem' }}>
          <EventDetail key={data.seq} view={data} standalone />
        </div>
      )}
    </div>
  );
}
