"""Small layers in one repository, and the live Argo CD that is asked what each of them is to become."""
