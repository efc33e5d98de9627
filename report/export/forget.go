package export

import "context"

// Forget deletes the files of all exports of a tenant. It may be called again.
func (s *Service) Forget(ctx context.Context, tenantID string) error {
	list, err := jobsOf(ctx, s.o.DB.Read(ctx), tenantID)
	if err != nil {
		return err
	}
	for _, j := range list {
		for n := 1; n <= int(j.parts); n++ {
			if err := s.o.Files.Delete(ctx, filesPrefix+partName(j.id, n)); err != nil {
				return err
			}
		}
	}
	return nil
}
